//! Clients that repeat what they asked until the answer is definite, and the ledger of what they asked and were told.

use std::sync::Arc;
use std::time::Duration;

use event_store::seam::Reader;
use event_store::{Append, AppendError, Desk, Expected, NewEvent, Operation, PATIENCE, Write};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::database::POISON;
use crate::network::Session;
use crate::world::World;

/// Streams that clients contend for.
const STREAMS: [&str; 4] = ["request-1", "request-2", "request-3", "note-1"];
const CONFLICTS: usize = 3;

/// What is asked, and how it is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The same event ids each time, no operation: as an import does.
    SameIds,
    /// An operation; each try reads the stream and decides anew: as an act on a request does.
    Decided,
    /// An operation, the same events, whatever the stream is like.
    Repeated,
    /// A stream that nobody else writes.
    Created,
    /// The operation of the entry before it, with another content.
    Reusing,
    /// What the database will never take.
    Poisoned,
}

/// One thing a client wants done, and all that it was told.
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) client: u64,
    /// Streams written, with how many events each.
    writes: Vec<(String, usize)>,
    pub(crate) operation: Option<Operation>,
    pub(crate) tries: u64,
    /// When it was first asked, on the clock that all clients share.
    pub(crate) asked: Option<u64>,
    pub(crate) told: Vec<Told>,
    /// A definite no.
    pub(crate) refused: Option<&'static str>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) at: u64,
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) replayed: bool,
    pub(crate) revisions: Vec<(String, i64)>,
}

/// Which entry, try and place among its events an id was made for.
pub(crate) fn origin(id: Uuid) -> (u64, u64, u64) {
    let (entry, rest) = id.as_u64_pair();
    (entry, rest >> 16, rest & 0xffff)
}

impl Entry {
    pub(crate) fn events(&self) -> usize {
        self.writes.iter().map(|(_, count)| count).sum()
    }

    fn append(&self, number: usize, attempt: u64, expected: Expected, checks: Vec<(String, Expected)>) -> Append {
        let mut place = 0;
        let mut event = |_| {
            place += 1;
            NewEvent {
                id: Uuid::from_u64_pair(number as u64, (attempt << 16) | place),
                kind: if self.kind == Kind::Poisoned { POISON } else { "request.started" }.to_owned(),
                schema: 1,
                payload: br#"{"at":"2026-11-18T10:00:00.123456-05:00"}"#.to_vec(),
                meta: br#"{"actor":"usr_1"}"#.to_vec(),
            }
        };
        let write = |(place, (stream, count)): (usize, &(String, usize))| Write {
            stream: stream.clone(),
            expected: if place == 0 { expected } else { Expected::Any },
            events: (0..*count).map(&mut event).collect(),
        };
        let writes = self.writes.iter().enumerate().map(write).collect();
        Append { writes, checks, operation: self.operation }
    }
}

/// Draws what a client will ask next and enters it in the ledger.
fn draw(world: &World, client: u64) -> usize {
    world.with(|state| {
        let number = state.ledger.len();
        let done = state.ledger.last().filter(|before| before.client == client && !before.told.is_empty());
        let reusable = done.and_then(|before| before.operation).filter(|operation| operation.fingerprint.is_some());
        let kind = match state.random.below(100) {
            0..25 => Kind::SameIds,
            25..60 => Kind::Decided,
            60..80 => Kind::Repeated,
            80..92 => Kind::Created,
            92..96 => Kind::Poisoned,
            _ if reusable.is_some() => Kind::Reusing,
            _ => Kind::Decided,
        };
        let mut id = [7; 32];
        id[..8].copy_from_slice(&(number as u64).to_be_bytes());
        let fingerprint = state.random.chance(800).then_some([1; 32]);
        let operation = match kind {
            Kind::SameIds | Kind::Created => None,
            Kind::Reusing => reusable.map(|operation| Operation { fingerprint: Some([2; 32]), ..operation }),
            Kind::Decided | Kind::Repeated | Kind::Poisoned => Some(Operation { id, fingerprint }),
        };
        let stream = match kind {
            Kind::Created | Kind::Poisoned => format!("request-own-{number}"),
            _ => state.random.pick(&STREAMS).to_owned(),
        };
        let mut writes = vec![(stream, state.random.between(1, 3) as usize)];
        if state.random.chance(250) && kind != Kind::Poisoned {
            writes.push((format!("request-beside-{number}"), 1));
        }
        state.ledger.push(Entry {
            kind,
            client,
            writes,
            operation,
            tries: 0,
            asked: None,
            told: vec![],
            refused: None,
        });
        number
    })
}

/// One client's life: so many things, one after the other.
pub(crate) async fn live(world: Arc<World>, client: u64, things: u64) {
    for _ in 0..things {
        let nap = world.with(|state| state.random.millis(0, 40));
        sleep(nap).await;
        let entry = draw(&world, client);
        if world.with(|state| state.random.chance(150)) {
            tokio::join!(until_definite(&world, entry), until_definite(&world, entry));
        } else {
            until_definite(&world, entry).await;
        }
        // The answer of long ago is the answer of today.
        if world.with(|state| state.random.chance(200)) {
            until_definite(&world, entry).await;
        }
    }
}

enum Answer {
    Told(Told),
    Refused(&'static str),
    Again,
    /// Somebody was faster: decide again.
    Conflict,
}

pub(crate) async fn until_definite(world: &Arc<World>, entry: usize) {
    let mut conflicts = 0;
    loop {
        let Some((desk, session)) = world.with(super::world::State::some_process) else {
            sleep(Duration::from_millis(20)).await;
            continue;
        };
        let died = session.world.death_of(session.process, session.life);
        let answer = tokio::select! {
            biased;
            answer = ask(&desk, &session, entry) => answer,
            () = died => Answer::Again,
        };
        let answer = match answer {
            Answer::Conflict if conflicts < CONFLICTS => {
                conflicts += 1;
                Answer::Again
            }
            Answer::Conflict => Answer::Refused("conflict"),
            answer => answer,
        };
        let done = world.with(|state| state.enter(entry, answer_of(answer)));
        if done {
            return;
        }
        let pause = world.with(|state| state.random.millis(1, 60));
        sleep(pause).await;
    }
}

fn answer_of(answer: Answer) -> Option<Result<Told, &'static str>> {
    match answer {
        Answer::Told(told) => Some(Ok(told)),
        Answer::Refused(why) => Some(Err(why)),
        Answer::Again | Answer::Conflict => None,
    }
}

async fn ask(desk: &Desk<Session>, session: &Session, number: usize) -> Answer {
    let world = &session.world;
    let (kind, operation, stream, look_first) = world.with(|state| {
        let look_first = state.random.chance(700);
        let entry = &state.ledger[number];
        (entry.kind, entry.operation, entry.writes[0].0.clone(), look_first)
    });
    if let Some(operation) = operation.filter(|_| look_first) {
        match looked_up(session, operation).await {
            Ok(Some(answer)) => return answer,
            Ok(None) => {}
            Err(()) => return Answer::Again,
        }
    }
    let (mut expected, mut checks) = (Expected::Any, vec![]);
    match kind {
        Kind::Created => expected = Expected::NoStream,
        Kind::Decided => {
            match session.read(|database| (database.revision(&stream), database.revision(STREAMS[0]))).await {
                Ok((revision, other)) => {
                    expected = revision.map_or(Expected::NoStream, Expected::Revision);
                    if let Some(other) = other.filter(|_| stream != STREAMS[0]) {
                        let exactly = world.with(|state| state.random.chance(300));
                        let check = if exactly { Expected::Revision(other) } else { Expected::Exists };
                        checks.push((STREAMS[0].to_owned(), check));
                    }
                }
                Err(_) => return Answer::Again,
            }
        }
        Kind::SameIds | Kind::Repeated | Kind::Reusing | Kind::Poisoned => {}
    }
    let append = world.with(|state| {
        let asked = state.tick();
        let entry = &mut state.ledger[number];
        entry.asked.get_or_insert(asked);
        let attempt = if kind == Kind::Decided { entry.tries } else { 0 };
        entry.tries += 1;
        let append = entry.append(number, attempt, expected, checks);
        state.note(|| format!("asks {number} ({kind:?}), try {attempt}, of p{}", session.process));
        append
    });
    let begun = Instant::now();
    let answer = desk.append(append).await;
    let waited = begun.elapsed();
    world.with(|state| {
        if waited > PATIENCE {
            state.violation(format!("entry {number} was answered after {waited:?}"));
        }
        if matches!(&answer, Ok(appended) if appended.replayed) && state.ledger[number].tries == 1 {
            state.violation(format!("I12: entry {number} was asked once, and told that it was there before"));
        }
        state.note(|| format!("is told of {number}: {}", spoken(&answer)));
    });
    match answer {
        Ok(appended) => Answer::Told(Told {
            at: world.with(super::world::State::tick),
            first: appended.first,
            last: appended.last,
            replayed: appended.replayed,
            revisions: appended.revisions,
        }),
        Err(AppendError::Unknown) => {
            world.with(|state| state.tally.unknown_answers += u64::from(waited >= PATIENCE));
            Answer::Again
        }
        Err(AppendError::Conflict { .. }) if kind == Kind::Decided => Answer::Conflict,
        Err(AppendError::OperationReused) => Answer::Refused("reused"),
        Err(AppendError::Storage(error)) if error.is_permanent() => Answer::Refused("storage"),
        // Too many wait, or the answer of a repeated operation could not be read.
        Err(AppendError::Overloaded | AppendError::Storage(_)) => Answer::Again,
        Err(_) => Answer::Refused("refused"),
    }
}

/// As the application does before it decides anything.
async fn looked_up(session: &Session, operation: Operation) -> Result<Option<Answer>, ()> {
    let Some(done) = session.operation(operation.id).await.map_err(drop)? else { return Ok(None) };
    if matches!((operation.fingerprint, done.fingerprint), (Some(asked), Some(stored)) if asked != stored) {
        return Ok(Some(Answer::Refused("reused")));
    }
    let revisions = session.revisions(done.first, done.last).await.map_err(drop)?;
    let at = session.world.with(super::world::State::tick);
    Ok(Some(Answer::Told(Told { at, first: done.first, last: done.last, replayed: true, revisions })))
}

fn spoken(answer: &Result<event_store::Appended, AppendError>) -> String {
    match answer {
        Ok(appended) => format!("{}..={} replayed={}", appended.first, appended.last, appended.replayed),
        Err(error) => error.to_string(),
    }
}
