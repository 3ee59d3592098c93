//! One seed: who lives in its world, what befalls them, and what came of it.

use std::cell::Cell;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use event_store::seam::Bounds;
use event_store::{Delivery, Desk, Filter};
use sha2::{Digest, Sha256};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::check;
use crate::client::{Entry, Told, live};
use crate::database::{Database, Flaw, SLUG};
use crate::follower::{Kept, fault_of, follow};
use crate::ground::Bench;
use crate::network::Session;
use crate::random::Random;

/// Everybody who asks is answered well before; in virtual time.
const LONGEST: Duration = Duration::from_mins(2);
/// How often a worker is told of the head.
const POLL: Duration = Duration::from_millis(120);
/// With everything healed, all that is behind catches up within this.
const SETTLING: Duration = Duration::from_secs(15);

thread_local! {
    /// The servers' clock: where virtual time began, and by how many microseconds the clock was put on or back since.
    static CLOCK: Cell<Option<(Instant, i64)>> = const { Cell::new(None) };
}

/// Puts the servers' clock right, or wrong.
fn step_clock(micros: i64) {
    CLOCK.set(CLOCK.get().map(|(began, offset)| (began, offset + micros)));
}

/// Never the same instant twice by itself: two processes that write the same events then write other bytes, as they would.
fn clock() -> DateTime<Utc> {
    step_clock(1);
    let (began, offset) = CLOCK.get().expect("a world sets its clock before anything runs in it");
    let since = TimeDelta::from_std(began.elapsed()).expect("minutes fit");
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + since + TimeDelta::microseconds(offset)
}

/// What a seed came to.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub seed: u64,
    /// Over everything that happened, in order and with its instant.
    pub digest: [u8; 32],
    pub tally: Tally,
    pub violations: Vec<String>,
    /// Everything that happened, if it was asked for.
    pub told: Vec<String>,
}

impl Outcome {
    /// Whether it held what a seed has to hold to count.
    pub fn counts(&self) -> bool {
        self.tally.unknown_commits > 0 && self.tally.lost_races > 0 && self.tally.restarts > 0
    }
}

/// What befell a world.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Commits on disk of which nobody was told.
    pub unknown_commits: u64,
    /// Compare-and-swaps lost to another process.
    pub lost_races: u64,
    pub restarts: u64,
    /// Appends that were answered after ten seconds, with "not known yet".
    pub unknown_answers: u64,
    /// Checkpoints lost to another worker.
    pub lost_checkpoints: u64,
    pub events: u64,
}

/// Chances in a thousand, and the longest way of a request.
pub(crate) struct Faults {
    pub(crate) requests_lost: u64,
    pub(crate) answers_lost: u64,
    pub(crate) late: u64,
    latency: u64,
}

pub(crate) struct Process {
    pub(crate) life: u64,
    pub(crate) asleep_until: Instant,
    dying: Arc<Notify>,
    desk: Option<Arc<Desk<Session>>>,
    tasks: Vec<AbortHandle>,
    /// What its followers read from, if not from the database itself.
    replica: Option<Replica>,
}

/// A copy of the database that is behind.
struct Replica {
    /// How far it has come.
    seen: i64,
    /// A balancer stands before several: the next answer may come from one that is further behind.
    balanced: bool,
}

pub(crate) struct World(Mutex<State>);

pub(crate) struct State {
    began: Instant,
    pub(crate) random: Random,
    pub(crate) database: Database,
    pub(crate) faults: Faults,
    pub(crate) processes: Vec<Process>,
    pub(crate) followers: Vec<Kept>,
    pub(crate) ledger: Vec<Entry>,
    pub(crate) tally: Tally,
    silent_until: Instant,
    healed: bool,
    clock: u64,
    digest: Sha256,
    told: Option<Vec<String>>,
    pub(crate) violations: Vec<String>,
}

impl World {
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns when this life of a process is over.
    pub(crate) fn death_of(&self, process: usize, life: u64) -> impl Future<Output = ()> + use<> {
        let (now, dying) =
            self.with(|state| (state.processes[process].life, Arc::clone(&state.processes[process].dying)));
        async move {
            if now == life {
                dying.notified().await;
            }
        }
    }
}

impl State {
    /// Writes down what happens, for the digest and for whoever reads along.
    pub(crate) fn note(&mut self, what: impl FnOnce() -> String) {
        let line = format!("{:>7} {}", self.began.elapsed().as_millis(), what());
        self.digest.update(line.as_bytes());
        if let Some(told) = &mut self.told {
            told.push(line);
        }
    }

    pub(crate) fn violation(&mut self, what: String) {
        self.note(|| format!("VIOLATION {what}"));
        self.violations.push(what);
    }

    /// The next instant of the clock that orders what clients do.
    pub(crate) fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    pub(crate) fn latency(&mut self) -> Duration {
        let longest = self.faults.latency;
        self.random.millis(1, longest)
    }

    pub(crate) fn is_silent(&self) -> bool {
        !self.healed && Instant::now() < self.silent_until
    }

    pub(crate) fn is_healed(&self) -> bool {
        self.healed
    }

    /// Whether a fault of this chance strikes now.
    pub(crate) fn loses(&mut self, chance: u64) -> bool {
        self.random.chance(chance) && !self.healed || self.is_silent()
    }

    /// How far the followers of a process see; none where they read the database itself.
    pub(crate) fn replicated(&mut self, process: usize) -> Option<i64> {
        let head = self.database.head.position;
        let replica = self.processes[process].replica.as_mut()?;
        let behind = if self.healed { 0 } else { self.random.below(6) as i64 };
        let now = (head - behind).max(0);
        replica.seen = if replica.balanced { now } else { now.max(replica.seen) };
        Some(replica.seen)
    }

    /// A process that answers, by chance.
    pub(crate) fn some_process(&mut self) -> Option<(Arc<Desk<Session>>, Session)> {
        let process = self.random.below(self.processes.len() as u64) as usize;
        let life = self.processes[process].life;
        let desk = self.processes[process].desk.clone()?;
        let session = Session { world: Arc::clone(&desk.reader().world), process, life };
        Some((desk, session))
    }

    /// Enters an answer in the ledger. True if it is definite.
    pub(crate) fn enter(&mut self, entry: usize, answer: Option<Result<Told, &'static str>>) -> bool {
        let entry = &mut self.ledger[entry];
        match answer {
            Some(Ok(told)) => entry.told.push(told),
            Some(Err(why)) => entry.refused = Some(why),
            None => return false,
        }
        true
    }

    pub(crate) fn deliver(&mut self, who: usize, delivery: &Delivery, place: i64) {
        let head = self.database.head.position;
        if let Some(fault) = fault_of(&self.followers[who], delivery, place, head) {
            self.violation(format!("follower {who} {fault}"));
        }
        let kept = &mut self.followers[who];
        kept.place = place;
        match delivery {
            Delivery::Event(record) => kept.seen.push((record.position, record.hash)),
            Delivery::CaughtUp { .. } => kept.live = true,
            Delivery::Passed { .. } => {}
        }
        self.note(|| match delivery {
            Delivery::Event(record) => format!("follower {who} is handed {}", record.position),
            other => format!("follower {who} is told {other:?}"),
        });
    }

    /// Whether everybody holds everything.
    fn is_settled(&self) -> bool {
        let head = self.database.head.position;
        self.processes.iter().all(|process| process.desk.is_some())
            && self.followers.iter().all(|kept| kept.live && self.holds_all(kept))
            && self.database.checkpoint.position == head
    }

    fn holds_all(&self, kept: &Kept) -> bool {
        let last = self.database.events.iter().rev().find(|event| kept.filter.matches(event));
        last.is_none_or(|last| last.position <= kept.place)
    }

    fn unsettled(&self) -> String {
        let places: Vec<_> = self.followers.iter().map(|kept| (kept.place, kept.live)).collect();
        let up = self.processes.iter().filter(|process| process.desk.is_some()).count();
        format!(
            "the log is at {}, followers at {places:?}, the checkpoint at {} ({:?}); {up} processes are up",
            self.database.head.position, self.database.checkpoint.position, self.database.checkpoint.failure
        )
    }
}

/// Runs one seed to its end. `flaw`: a guard taken out of the database. `aloud`: everything that happens is kept.
pub fn run(seed: u64, flaw: Option<Flaw>, aloud: bool) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without sockets needs nothing of the machine");
    let world = runtime.block_on(async {
        let world = begin(seed, flaw, aloud);
        Box::pin(unfold(&world)).await;
        world
    });
    // The processes' tasks go with the runtime; the desks hold the world.
    world.with(|state| state.processes.iter_mut().for_each(|process| process.desk = None));
    drop(runtime);
    world.with(|state| Outcome {
        seed,
        digest: state.digest.clone().finalize().into(),
        tally: Tally { events: state.database.events.len() as u64, ..state.tally },
        violations: std::mem::take(&mut state.violations),
        told: state.told.take().unwrap_or_default(),
    })
}

fn begin(seed: u64, flaw: Option<Flaw>, aloud: bool) -> Arc<World> {
    let began = Instant::now();
    CLOCK.set(Some((began, 0)));
    let mut random = Random::new(seed);
    // Each world has its own weather: some faults often, some never. Calm worlds grow, stormy ones turn back often.
    let mut chance = || random.pick(&[0, 20, 80, 200]);
    // Answers are lost in every one, else few would count.
    let (requests_lost, answers_lost, late) = (chance(), chance() + 60, chance());
    let faults = Faults { requests_lost, answers_lost, late, latency: random.between(2, 12) };
    let processes = (0..random.between(2, 3)).map(|_| Process {
        life: 0,
        asleep_until: began,
        dying: Arc::default(),
        desk: None,
        tasks: vec![],
        replica: random.chance(400).then(|| Replica { seen: 0, balanced: random.chance(300) }),
    });
    let processes: Vec<_> = processes.collect();
    let followers = processes.iter().map(|_| Kept {
        filter: match random.below(3) {
            0 => Filter::all(),
            1 => Filter { prefixes: vec!["request-1".to_owned(), "note".to_owned()], kinds: vec![] },
            _ => Filter { prefixes: vec!["request-own".to_owned()], kinds: vec!["request.started".to_owned()] },
        },
        ..Kept::default()
    });
    let followers = followers.collect();
    Arc::new(World(Mutex::new(State {
        began,
        random,
        database: Database::new(flaw),
        faults,
        processes,
        followers,
        ledger: vec![],
        tally: Tally::default(),
        silent_until: began,
        healed: false,
        clock: 0,
        digest: Sha256::new(),
        told: aloud.then(Vec::new),
        violations: vec![],
    })))
}

async fn unfold(world: &Arc<World>) {
    let processes = world.with(|state| state.processes.len());
    for process in 0..processes {
        start(world, process).await;
    }
    let mut fates = tokio::task::JoinSet::new();
    for process in 0..processes {
        fates.spawn(befall(Arc::clone(world), process));
    }
    fates.spawn(weather(Arc::clone(world)));
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..3 {
        let things = world.with(|state| state.random.between(3, 7));
        clients.spawn(live(Arc::clone(world), client, things));
    }
    if timeout(LONGEST, clients.join_all()).await.is_err() {
        world.with(|state| state.violation("a client never got a definite answer".to_owned()));
        return;
    }
    fates.join_all().await;
    world.with(|state| {
        state.healed = true;
        state.note(|| "all is well".to_owned());
    });
    // Once they have caught up, the next event comes to them as it happens.
    for _ in 0..2 {
        if timeout(SETTLING, settled(world)).await.is_err() {
            world.with(|state| {
                let behind = state.unsettled();
                state.violation(format!("somebody does not catch up: {behind}"));
            });
            return;
        }
        let Ok(()) = timeout(LONGEST, live(Arc::clone(world), 9, 1)).await else {
            return world.with(|state| state.violation("an append is not answered though all is well".to_owned()));
        };
    }
    if timeout(SETTLING, settled(world)).await.is_err() {
        world.with(|state| state.violation(format!("the last event does not arrive: {}", state.unsettled())));
    }
    let found = world.with(|state| check::violations(state));
    world.with(|state| found.into_iter().for_each(|what| state.violation(what)));
}

async fn settled(world: &World) {
    while !world.with(|state| state.is_settled()) {
        sleep(Duration::from_millis(25)).await;
    }
}

/// A process begins to live: a writer, a follower, a worker.
async fn start(world: &Arc<World>, process: usize) {
    let session =
        Session { world: Arc::clone(world), process, life: world.with(|state| state.processes[process].life) };
    session.note(|| "starts".to_owned());
    let bounds = world.with(|state| Bounds {
        queue: state.random.between(2, 20) as usize,
        batch: state.random.between(1, 8) as usize,
        ring: state.random.between(1, 12) as usize,
        page: state.random.between(1, 5) as usize,
    });
    let desk = loop {
        match Desk::open(session.clone(), session.clone(), SLUG, clock, bounds).await {
            Ok(desk) => break Arc::new(desk),
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
    };
    let (head, watch) = watch::channel(0);
    let herald = tokio::spawn(announce(Arc::clone(&desk), head)).abort_handle();
    let follower = tokio::spawn(follow(Arc::clone(world), Arc::clone(&desk), process)).abort_handle();
    let worker = tokio::spawn(projections::seam::run(Bench { session, head: watch })).abort_handle();
    world.with(|state| {
        state.processes[process].desk = Some(desk);
        state.processes[process].tasks = vec![herald, follower, worker];
    });
}

/// Tells the worker of the head. On a channel of its own: tokio wakes those who wait on one watch in an order that no seed
/// decides.
async fn announce(desk: Arc<Desk<Session>>, head: watch::Sender<i64>) {
    loop {
        let position = *desk.watch().borrow();
        head.send_if_modified(|known| std::mem::replace(known, position) != position);
        sleep(POLL).await;
    }
}

/// Its memory is gone; what it sent is on its way.
fn kill(world: &World, process: usize) {
    world.with(|state| {
        state.tally.restarts += 1;
        let dying = &mut state.processes[process];
        dying.life += 1;
        dying.desk = None;
        dying.asleep_until = Instant::now();
        dying.dying.notify_waiters();
        dying.tasks.drain(..).for_each(|task| task.abort());
        state.note(|| format!("p{process} dies"));
    });
}

/// What happens to one process, until it is left in peace.
async fn befall(world: Arc<World>, process: usize) {
    let blows = world.with(|state| state.random.between(1, 3));
    for _ in 0..blows {
        let (calm, deadly) = world.with(|state| (state.random.millis(20, 300), state.random.chance(600)));
        sleep(calm).await;
        if deadly {
            kill(&world, process);
            let down = world.with(|state| state.random.millis(1, 200));
            sleep(down).await;
            start(&world, process).await;
        } else {
            world.with(|state| {
                let pause = if state.random.chance(100) { 4000 } else { 600 };
                let pause = state.random.millis(10, pause);
                state.processes[process].asleep_until = Instant::now() + pause;
                state.note(|| format!("p{process} sleeps for {pause:?}"));
            });
        }
    }
}

/// The database falls silent for a while, seldom for long; the clock is put right, or wrong.
async fn weather(world: Arc<World>) {
    for _ in 0..2 {
        let (calm, silence) = world.with(|state| {
            let longest = if state.random.chance(15) { 14_000 } else { 400 };
            (state.random.millis(30, 400), state.random.millis(0, longest))
        });
        sleep(calm).await;
        world.with(|state| {
            let step = state.random.below(4_000) as i64 - 2_000;
            step_clock(step * 1000);
            state.silent_until = Instant::now() + silence;
            state.note(|| format!("silence for {silence:?}; the clock is put {step} ms on"));
        });
        sleep(silence).await;
    }
}
