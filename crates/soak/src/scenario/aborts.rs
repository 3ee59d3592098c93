//! Clients that hang up at random moments, while the server's round trips to the database (on SQLite: the clients' own
//! connections) take 5 to 500 ms. What was begun for them is finished or was never begun, and nothing of it stays behind.

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

use crate::{
    client::{Client, Write},
    load,
    proxy::{Plan, Proxy},
    reader::Readers,
    server::Server,
    stage::Stage,
};

/// Clients that hang up, at once.
const AT_ONCE: u64 = 64;
const DELAY: std::ops::Range<u64> = 5..500;
/// After its last byte a client stays for so long at most.
const STAYS: u64 = 1_000;
/// So many whole requests before the baseline is taken: pools and caches are what they will be.
const WARM: u64 = 500;
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

    settle_each(stage, (0..WARM).map(|number| write(stage.seed, u64::MAX - number)).collect()).await?;
    let before = quiet(stage, &server).await?;

    late.plan(|_| Plan { delay: DELAY, ..Plan::CALM });
    late.reset_all();
    let mut aborted = Vec::new();
    let mut clients = JoinSet::new();
    let ledgers = (0..AT_ONCE).map(|number| stage.client(&format!("leaves-{number}"), false));
    let mut free = ledgers.collect::<anyhow::Result<Vec<Client>>>()?;
    for number in 0..stage.count {
        if !stage.goes_on() {
            break;
        }
        let client = match free.pop() {
            Some(client) => client,
            None => gone(clients.join_next().await, &mut aborted)?,
        };
        clients.spawn(leave(client, front.address(), write(stage.seed, number), stage.seed ^ number));
    }
    while let Some(left) = clients.join_next().await {
        gone(Some(left), &mut aborted)?;
    }
    stage.fault("aborts", format!("{} requests", aborted.len()))?;
    late.plan(|_| Plan::CALM);
    late.reset_all();

    let count = aborted.len() as u64;
    settle_each(stage, aborted).await?;
    residue(stage, &server, &before).await?;
    stage.settle_on(server, None, readers).await?;
    Ok(count)
}

fn write(seed: u64, number: u64) -> Write {
    let mut random = StdRng::seed_from_u64(seed.rotate_left(17) ^ number);
    if number.is_multiple_of(2) { Write::open311(&mut random) } else { Write::native(&mut random) }
}

type Left = anyhow::Result<(Client, Write)>;

fn gone(left: Option<Result<Left, tokio::task::JoinError>>, aborted: &mut Vec<Write>) -> anyhow::Result<Client> {
    let (client, write) = left.context("there are clients")?.context("a client stopped")??;
    aborted.push(write);
    Ok(client)
}

/// Sends a request, or the beginning of one, stays a while, and hangs up without a word.
async fn leave(client: Client, to: std::net::SocketAddr, write: Write, seed: u64) -> Left {
    let mut random = StdRng::seed_from_u64(seed);
    let bytes = client.bytes(&write);
    let sent = if random.random_bool(0.1) { random.random_range(0..bytes.len()) } else { bytes.len() };
    let stays = Duration::from_millis(random.random_range(0..STAYS));
    client.announce(&write)?;
    let mut stream = TcpStream::connect(to).await.context("connect")?;
    // Without a farewell: the server learns of it by a reset.
    stream.set_zero_linger().context("connect")?;
    let mut nobody_listens = [0; 1_024];
    let talk = async {
        stream.write_all(&bytes[..sent]).await?;
        while stream.read(&mut nobody_listens).await? > 0 {}
        std::io::Result::Ok(())
    };
    let _ = tokio::time::timeout(stays, talk).await;
    drop(stream);
    client.unknown(&write, None, false, "hung up")?;
    Ok((client, write))
}

/// Repeats each until it is definite.
async fn settle_each(stage: &Stage, writes: Vec<Write>) -> anyhow::Result<()> {
    let mut tasks = JoinSet::new();
    let parts = writes.len().div_ceil(AT_ONCE as usize).max(1);
    for (number, part) in writes.chunks(parts).enumerate() {
        let client = stage.client(&format!("settles-{number}"), true)?;
        let mut random = StdRng::seed_from_u64(stage.seed ^ number as u64);
        let (mut urls, part) = (stage.urls(), part.to_vec());
        tasks.spawn(async move {
            for write in part {
                load::settle(&client, &mut urls, &mut random, &write).await?;
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
