//! A TCP proxy that behaves as networks do on a bad day: late, in crumbs, cut short, silent.
//!
//! What becomes of a connection is decided when it is accepted, from its number: the same plan, the same day. A cut is a reset
//! of both sides (`SO_LINGER` 0), so that neither learns more than it had read by then.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

const CHUNK: usize = 16 * 1024;
/// Late among those that are only now and then.
const ONE_IN: u32 = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Toward {
    Server,
    Client,
}

/// How a connection ends, if not by one of its ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    Never,
    /// Reset once so many bytes went that way.
    Cut {
        toward: Toward,
        after: u64,
    },
    /// From so many bytes on nothing arrives that way, and nobody is told.
    Silent {
        toward: Toward,
        after: u64,
    },
    /// Once the client has sent this text no answer arrives any more. Reset when the server begins to answer, or `grace`
    /// later: the client cannot know what was done, and with a long grace it was.
    Unanswered {
        text: &'static [u8],
        grace: Duration,
    },
}

/// Which chunks are late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Late {
    All,
    /// All of them once the client has sent this text, one in a hundred before.
    After(&'static [u8]),
}

/// What becomes of one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// A chunk that is late waits so many milliseconds, each way.
    pub(crate) delay: Range<u64>,
    pub(crate) late: Late,
    /// One byte at a time.
    pub(crate) crumbs: bool,
    pub(crate) end: End,
}

impl Plan {
    pub(crate) const CALM: Self = Self { delay: 0..0, late: Late::All, crumbs: false, end: End::Never };

    pub(crate) const fn ending(end: End) -> Self {
        Self { end, ..Self::CALM }
    }

    /// What the client sends that matters.
    fn text(&self) -> Option<&'static [u8]> {
        match (&self.end, self.late) {
            (End::Unanswered { text, .. }, _) => Some(text),
            (_, Late::After(text)) => Some(text),
            _ => None,
        }
    }
}

type Planner = Arc<dyn Fn(u64) -> Plan + Send + Sync>;

/// Listens until it is dropped, which resets every connection through it.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    upstream: Mutex<SocketAddr>,
    planner: Mutex<Planner>,
    accepted: AtomicU64,
    cut: AtomicU64,
    /// Moves when all connections of before are to be reset.
    age: watch::Sender<u64>,
}

impl Proxy {
    pub(crate) async fn start(upstream: SocketAddr, seed: u64) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream: Mutex::new(upstream),
            planner: Mutex::new(Arc::new(|_| Plan::CALM)),
            accepted: AtomicU64::new(0),
            cut: AtomicU64::new(0),
            age: watch::Sender::new(0),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared), seed));
        Ok(Self { address, shared, accepting })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What becomes of connections from now on, by their number.
    pub(crate) fn plan(&self, planner: impl Fn(u64) -> Plan + Send + Sync + 'static) {
        *lock(&self.shared.planner) = Arc::new(planner);
    }

    /// Connections go there from now on, as when a standby takes over an address.
    pub(crate) fn redirect(&self, upstream: SocketAddr) {
        *lock(&self.shared.upstream) = upstream;
        self.reset_all();
    }

    pub(crate) fn reset_all(&self) {
        self.shared.age.send_modify(|age| *age += 1);
    }

    /// How many connections were reset, by plan or by [`reset_all`](Self::reset_all).
    pub(crate) fn cut(&self) -> u64 {
        self.shared.cut.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.reset_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, seed: u64) {
    while let Ok((client, _)) = listener.accept().await {
        let number = shared.accepted.fetch_add(1, Ordering::Relaxed);
        let planner = Arc::clone(&lock(&shared.planner));
        let shared = Arc::clone(&shared);
        tokio::spawn(async move { carry(client, &shared, &planner(number), seed ^ (number << 1)).await });
    }
}

/// The connection has to be reset.
enum Cut {
    /// It was planned.
    Planned,
    /// One end did it, or is gone: the other must learn of it in the same way.
    PassedOn,
}

async fn carry(mut client: TcpStream, shared: &Shared, plan: &Plan, seed: u64) {
    let mut age = shared.age.subscribe();
    let upstream = *lock(&shared.upstream);
    let Ok(mut server) = TcpStream::connect(upstream).await else {
        let _ = client.set_zero_linger(); // refused, as far as the client can tell
        return;
    };
    // Crumbs travel one by one.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let told = watch::Sender::new(false);
    let ended = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        // Each way draws from a generator of its own, or their order would depend on the scheduler.
        let way = |toward, stream| Way { toward, plan, random: StdRng::seed_from_u64(stream), carried: 0 };
        let up = way(Toward::Server, seed).up(from_client, to_server, &told);
        let down = way(Toward::Client, seed | 1).down(from_server, to_client, told.subscribe());
        tokio::select! {
            ended = async { tokio::try_join!(up, down) } => ended.map(drop),
            _ = age.changed() => Err(Cut::Planned),
        }
    };
    if let Err(cut) = ended {
        if matches!(cut, Cut::Planned) {
            shared.cut.fetch_add(1, Ordering::Relaxed);
        }
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

struct Way<'p> {
    toward: Toward,
    plan: &'p Plan,
    random: StdRng,
    carried: u64,
}

impl Way<'_> {
    /// From the client: this is where it shows what is asked.
    async fn up(
        mut self,
        mut from: ReadHalf<'_>,
        mut to: WriteHalf<'_>,
        told: &watch::Sender<bool>,
    ) -> Result<(), Cut> {
        let mut recent = Vec::new();
        while let Some(chunk) = read(&mut from).await? {
            if let Some(text) = self.plan.text() {
                recent.extend_from_slice(&chunk);
                if recent.windows(text.len()).any(|part| part == text) {
                    // Before the server can answer.
                    told.send_replace(true);
                }
                recent.drain(..recent.len().saturating_sub(text.len() - 1));
            }
            let late = *told.borrow();
            self.forward(&chunk, &mut to, late).await?;
        }
        let _ = to.shutdown().await; // the other end may be gone
        Ok(())
    }

    async fn down(
        mut self,
        mut from: ReadHalf<'_>,
        mut to: WriteHalf<'_>,
        mut told: watch::Receiver<bool>,
    ) -> Result<(), Cut> {
        loop {
            let chunk = tokio::select! {
                biased;
                grace = grace(self.plan, &mut told) => {
                    // Its end is as good as its answer.
                    let _ = tokio::time::timeout(grace, read(&mut from)).await;
                    return Err(Cut::Planned);
                }
                chunk = read(&mut from) => chunk?,
            };
            let Some(chunk) = chunk else { break };
            let late = *told.borrow();
            self.forward(&chunk, &mut to, late).await?;
        }
        let _ = to.shutdown().await;
        Ok(())
    }

    /// `told`: the client has sent the text that matters.
    async fn forward(&mut self, chunk: &[u8], to: &mut WriteHalf<'_>, told: bool) -> Result<(), Cut> {
        let piece = if self.plan.crumbs { 1 } else { chunk.len() };
        for piece in chunk.chunks(piece) {
            let late = told || self.plan.late == Late::All || self.random.random_ratio(1, ONE_IN);
            if late && !self.plan.delay.is_empty() {
                let delay = self.random.random_range(self.plan.delay.clone());
                tokio::time::sleep(Duration::from_millis(delay)).await;
            }
            let (room, cut) = match self.plan.end {
                End::Cut { toward, after } if toward == self.toward => (after - self.carried, true),
                End::Silent { toward, after } if toward == self.toward => (after - self.carried, false),
                _ => (u64::MAX, false),
            };
            let part = &piece[..piece.len().min(usize::try_from(room).unwrap_or(usize::MAX))];
            self.carried += part.len() as u64;
            to.write_all(part).await.map_err(|_| Cut::PassedOn)?;
            if cut && part.len() as u64 == room {
                return Err(Cut::Planned);
            }
        }
        Ok(())
    }
}

/// None at its end.
async fn read(from: &mut ReadHalf<'_>) -> Result<Option<Vec<u8>>, Cut> {
    let mut chunk = vec![0; CHUNK];
    let count = from.read(&mut chunk).await.map_err(|_| Cut::PassedOn)?;
    chunk.truncate(count);
    Ok((count > 0).then_some(chunk))
}

/// How long an answer is still waited for, once it must not arrive.
async fn grace(plan: &Plan, told: &mut watch::Receiver<bool>) -> Duration {
    let told = told.wait_for(|told| *told).await.is_ok();
    match plan.end {
        End::Unanswered { grace, .. } if told => grace,
        _ => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers each line with `ok`.
    async fn server() -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("listen");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut byte = [0];
                    while stream.read_exact(&mut byte).await.is_ok() {
                        if byte == *b"\n" && stream.write_all(b"ok").await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        address
    }

    /// What a client reads that sends two lines, and whether its connection was reset.
    async fn ask(proxy: &Proxy) -> (Vec<u8>, bool) {
        let mut stream = TcpStream::connect(proxy.address()).await.expect("connect");
        let mut heard = Vec::new();
        for line in [b"one\n", b"two\n"] {
            let mut answer = [0; 2];
            if stream.write_all(line).await.is_err() {
                return (heard, true);
            }
            match stream.read(&mut answer).await {
                Ok(count @ 1..) => heard.extend(&answer[..count]),
                outcome => return (heard, outcome.is_err()),
            }
        }
        (heard, false)
    }

    async fn through(end: End) -> (Vec<u8>, bool) {
        let proxy = Proxy::start(server().await, 7).await.expect("a proxy");
        proxy.plan(move |_| Plan::ending(end.clone()));
        ask(&proxy).await
    }

    #[tokio::test]
    async fn a_connection_ends_where_its_plan_says() {
        assert_eq!(through(End::Never).await, (b"okok".to_vec(), false));
        assert_eq!(through(End::Cut { toward: Toward::Server, after: 6 }).await, (b"ok".to_vec(), true));
        assert_eq!(through(End::Cut { toward: Toward::Client, after: 2 }).await, (b"ok".to_vec(), true));
        let text = b"wo";
        assert_eq!(through(End::Unanswered { text, grace: Duration::ZERO }).await, (b"ok".to_vec(), true));
        assert_eq!(through(End::Unanswered { text, grace: Duration::MAX }).await, (b"ok".to_vec(), true));
    }

    #[tokio::test]
    async fn silence_tells_nobody() {
        let proxy = Proxy::start(server().await, 7).await.expect("a proxy");
        proxy.plan(|_| Plan::ending(End::Silent { toward: Toward::Client, after: 2 }));
        let waited = tokio::time::timeout(Duration::from_millis(200), ask(&proxy)).await;
        assert!(waited.is_err(), "it was told something: {waited:?}");
    }

    #[tokio::test]
    async fn a_late_connection_in_crumbs_says_the_same() {
        let proxy = Proxy::start(server().await, 7).await.expect("a proxy");
        proxy.plan(|_| Plan { delay: 1..3, crumbs: true, ..Plan::CALM });
        let mut stream = TcpStream::connect(proxy.address()).await.expect("connect");
        stream.write_all(b"one\n").await.expect("send");
        let mut answer = [0; 2];
        stream.read_exact(&mut answer).await.expect("an answer");
        assert_eq!(&answer, b"ok");
    }
}
