//! Clients that hang up at random moments, while round trips take 5 to 500 ms: on PostgreSQL those of the session that appends
//! and some of the others, on SQLite the clients' own. What was begun for them is finished or was never begun, and nothing of
//! it stays behind.

use std::time::Duration;

use anyhow::Context;
use checker::ledger::{Line, Residue};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::Instant,
};

use super::cuts::APPEND;
use crate::{
    client::{Client, Write},
    load,
    proxy::{Late, Plan, Proxy},
    reader::Readers,
    server::Server,
    stage::Stage,
};

/// Clients that hang up, at once; a quarter of all of them where those are fewer.
const AT_ONCE: u64 = 512;
const DELAY: std::ops::Range<u64> = 5..500;
/// One client in so many waits for its answer: the slowest of the last answers says how long a whole request takes just now. The others
/// stay for a random part of that after their last byte, so that they leave at every moment of a request.
const WAITS: u64 = 16;
const WAITS_AT_MOST: Duration = Duration::from_secs(30);
/// What a whole request takes, before anybody was answered.
const UNTIL_TOLD: Duration = Duration::from_secs(1);
/// How fast a slow answer is forgotten, answer by answer.
const FADES: f64 = 0.95;
/// Whole requests before the baseline, for each that will be aborted, so that what requests leave in caches is in both. An aborted one
/// is sent, and sent again until it is definite; so is now and then one that was answered.
const WARM: u64 = 3;
/// Pools and arenas want some in any case.
const WARM_AT_LEAST: u64 = 500;
/// Every cache is full by then: what still grows is none.
const WARM_AT_MOST: u64 = 40_000;
/// What was left behind may take so long to go.
const GOES: Duration = Duration::from_mins(1);
const ASKED_AGAIN: Duration = Duration::from_millis(250);

pub(super) async fn play(stage: &mut Stage) -> anyhow::Result<u64> {
    let readers = Readers::start(stage, 1)?;
    let behind = stage.behind_proxy().await?;
    let server = stage.serve("server", &[]).await?;
    let front = Proxy::start(server.address()?, stage.seed).await?;
    let late = behind.as_ref().unwrap_or(&front);
    stage.up([server.url.as_str()]);

    let warm = (WARM * stage.count).clamp(WARM_AT_LEAST, WARM_AT_MOST);
    let at_once = AT_ONCE.min(stage.count.div_ceil(4));
    settle_each(stage, at_once, (0..warm).map(|number| write(stage.seed, u64::MAX - number)).collect()).await?;
    let before = quiet(stage, &server).await?;

    // Were every session of PostgreSQL late, hardly anybody would get as far as an append within that time.
    let which = if behind.is_some() { Late::After(APPEND) } else { Late::All };
    late.plan(move |_| Plan { delay: DELAY, late: which, ..Plan::CALM });
    late.reset_all();
    let mut left = Gone { writes: vec![], hung_up: 0, whole: UNTIL_TOLD };
    let mut clients = JoinSet::new();
    let ledgers = (0..at_once).map(|number| stage.client(&format!("leaves-{number}"), false));
    let mut free = ledgers.collect::<anyhow::Result<Vec<Client>>>()?;
    for number in 0.. {
        if left.hung_up >= stage.count || !stage.goes_on() {
            break;
        }
        let client = match free.pop() {
            Some(client) => client,
            None => left.take(clients.join_next().await)?,
        };
        let seed = stage.seed ^ number;
        let stays = (number % WAITS > 0).then(|| left.whole.mul_f64(StdRng::seed_from_u64(seed).random()));
        clients.spawn(leave(client, front.address(), write(stage.seed, number), stays, seed));
    }
    while let Some(client) = clients.join_next().await {
        left.take(Some(client))?;
    }
    let Gone { writes, hung_up, .. } = left;
    stage.fault("aborts", format!("{hung_up} requests"))?;
    late.plan(|_| Plan::CALM);
    late.reset_all();

    settle_each(stage, at_once, writes).await?;
    residue(stage, &server, &before).await?;
    stage.settle_on(server, None, readers).await?;
    Ok(hung_up)
}

fn write(seed: u64, number: u64) -> Write {
    let mut random = StdRng::seed_from_u64(seed.rotate_left(17) ^ number);
    if number.is_multiple_of(2) { Write::open311(&mut random) } else { Write::native(&mut random) }
}

/// Those who left.
struct Gone {
    /// Theirs, whatever became of it.
    writes: Vec<Write>,
    /// How many of them had no answer.
    hung_up: u64,
    /// What a whole request takes.
    whole: Duration,
}

/// Whoever left, of what, and when it was answered, if it was.
type Left = anyhow::Result<(Client, Write, Option<Duration>)>;

impl Gone {
    fn take(&mut self, left: Option<Result<Left, tokio::task::JoinError>>) -> anyhow::Result<Client> {
        let (client, write, answered) = left.context("there are clients")?.context("a client stopped")??;
        self.writes.push(write);
        match answered {
            Some(took) => self.whole = took.max(self.whole.mul_f64(FADES)),
            None => self.hung_up += 1,
        }
        Ok(client)
    }
}

/// Sends a request, or the beginning of one, stays a while, and hangs up without a word. Without `stays` it sends all of it and
/// waits for the answer.
async fn leave(client: Client, to: std::net::SocketAddr, write: Write, stays: Option<Duration>, seed: u64) -> Left {
    let mut random = StdRng::seed_from_u64(seed.rotate_left(32));
    let bytes = client.bytes(&write);
    let part = stays.is_some() && random.random_bool(0.1);
    let sent = if part { random.random_range(0..bytes.len()) } else { bytes.len() };
    client.announce(&write)?;
    let mut stream = TcpStream::connect(to).await.context("connect")?;
    // Without a farewell: the server learns of it by a reset.
    stream.set_zero_linger().context("connect")?;
    let begun = Instant::now();
    let talk = async {
        stream.write_all(&bytes[..sent]).await?;
        stream.read(&mut [0; 1_024]).await
    };
    let answered = tokio::time::timeout(stays.unwrap_or(WAITS_AT_MOST), talk)
        .await
        .is_ok_and(|heard| heard.is_ok_and(|count| count > 0));
    let took = answered.then(|| begun.elapsed());
    drop(stream);
    client.unknown(&write, None, false, "hung up")?;
    Ok((client, write, took))
}

/// Repeats each until it is definite.
async fn settle_each(stage: &Stage, clients: u64, writes: Vec<Write>) -> anyhow::Result<()> {
    let mut tasks = JoinSet::new();
    let parts = writes.len().div_ceil(clients as usize).max(1);
    for (number, part) in writes.chunks(parts).enumerate() {
        let client = stage.client(&format!("settles-{number}"), true)?;
        let mut random = StdRng::seed_from_u64(stage.seed ^ number as u64);
        let (mut urls, part) = (stage.urls(), part.to_vec());
        tasks.spawn(async move {
            for write in part {
                let begun = Instant::now();
                load::settle(&client, &mut urls, &mut random, &write).await?;
                // The next would fare no better. They stay unknown, and that is found.
                if begun.elapsed() >= load::PATIENCE {
                    break;
                }
            }
            anyhow::Ok(())
        });
    }
    while let Some(settled) = tasks.join_next().await {
        settled.context("a client stopped")??;
    }
    Ok(())
}

/// What a server holds.
#[derive(Debug, Clone, Copy)]
struct Held {
    files: f64,
    megabytes: f64,
    transactions: f64,
}

impl Held {
    async fn by(stage: &Stage, server: &Server) -> anyhow::Result<Self> {
        let process = std::path::Path::new("/proc").join(server.pid()?.to_string());
        let files = std::fs::read_dir(process.join("fd")).context("count its open files")?.count();
        let status = std::fs::read_to_string(process.join("status")).context("read its memory")?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        let kilobytes: f64 = resident.context("it has memory")?.parse()?;
        let transactions = stage.idle_transactions().await? as f64;
        Ok(Self { files: files as f64, megabytes: kilobytes / 1_024.0, transactions })
    }

    /// A tenth more than before, and what one more connection or one more arena of the allocator takes.
    fn limits(self) -> Self {
        Self { files: self.files * 1.1 + 2.0, megabytes: self.megabytes * 1.1 + 8.0, transactions: 0.0 }
    }

    fn within(self, limits: Self) -> bool {
        self.files <= limits.files && self.megabytes <= limits.megabytes && self.transactions <= limits.transactions
    }
}

/// What it holds once its read models are current and it has nothing to do.
async fn quiet(stage: &Stage, server: &Server) -> anyhow::Result<Held> {
    let head = stage.store.head().await?.position;
    stage.models.wait_for(head, GOES).await?;
    Held::by(stage, server).await
}

async fn residue(stage: &Stage, server: &Server, before: &Held) -> anyhow::Result<()> {
    let limits = before.limits();
    let deadline = Instant::now() + GOES;
    let mut after = quiet(stage, server).await?;
    while !after.within(limits) && Instant::now() < deadline {
        tokio::time::sleep(ASKED_AGAIN).await;
        after = Held::by(stage, server).await?;
    }
    for (of, before, after, limit) in [
        ("open files", before.files, after.files, limits.files),
        ("resident megabytes", before.megabytes, after.megabytes, limits.megabytes),
        ("transactions idle", before.transactions, after.transactions, limits.transactions),
    ] {
        stage.ledger.write(&Line::Residue(Residue { of: of.to_owned(), before, after, limit }))?;
    }
    Ok(())
}
