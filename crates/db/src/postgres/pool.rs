//! The connections of one schema: some that one user at a time has to himself, and a few that all reads by key share.

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::session::Link;
use super::{Options, PostgresError, Session, Tx};
use crate::pool::ROWS_TOGETHER;
use crate::{DbError, ReadRow, Row, Statement};

/// A handle; clones share its connections. They are made when first used.
#[derive(Clone)]
pub(crate) struct Pool(Arc<Inner>);

struct Inner {
    options: Options,
    /// Connections that may still be taken.
    free: Arc<Semaphore>,
    /// Those that stand unused, the one used last at the end; none once the pool is closed.
    idle: Mutex<Option<Vec<Unused>>>,
    /// Whether somebody closes those that stand unused for long.
    tidied: AtomicBool,
    shared: Shared,
}

struct Unused {
    session: Session,
    since: Instant,
}

const CONNECTIONS: u32 = 16;
/// What only a burst needed is closed after it: a server has few connections, and others want them too.
const KEPT_UNUSED: Duration = Duration::from_secs(20);
/// One that hangs must not be all of them.
const SHARED_AT_LEAST: usize = 2;
const SHARED_AT_MOST: usize = 4;
const PATIENCE: Duration = Duration::from_secs(30);
const TRIES: usize = 3;

/// One state for several reads, or one long read: what begins it needs no trip of its own, since nothing is written and a
/// failed `begin` would only leave each read to itself.
const SNAPSHOT: &str = "begin isolation level repeatable read read only";
/// Long reads follow an index that lies in their order. Before the first `analyze` PostgreSQL does not know that, and would
/// sort everything before it sends the first row.
const LONG_READ: &str = "begin read only; set local enable_sort = off; set local jit = off";

impl Pool {
    pub(crate) fn new(url: &str, schema: &str) -> Result<Self, PostgresError> {
        let options = Options::parse(url)?.with([
            ("search_path", schema),
            ("TimeZone", "UTC"),
            ("default_transaction_isolation", "read committed"),
            // A plan that was made while a table was small is kept until it is analysed again: an import would be over by
            // then. Lists and bulk writes are planned each time, and follow the table as it grows.
            ("plan_cache_mode", "force_custom_plan"),
            // A forgotten transaction holds back vacuum and locks; nothing of ours thinks that long.
            ("idle_in_transaction_session_timeout", "60s"),
            // A peer that went silent is noticed by the server within a minute.
            ("tcp_keepalives_idle", "30"),
            ("tcp_keepalives_interval", "10"),
            ("tcp_keepalives_count", "3"),
        ]);
        let shared = Shared::new(options.clone());
        Ok(Self(Arc::new(Inner {
            options,
            free: Arc::new(Semaphore::new(CONNECTIONS as usize)),
            idle: Mutex::new(Some(Vec::new())),
            tidied: AtomicBool::new(false),
            shared,
        })))
    }

    pub(crate) fn options(&self) -> &Options {
        &self.0.options
    }

    /// Runs to its end whatever becomes of the caller: the connection is whole again afterwards, and a reader that is not
    /// polled for a while holds back nobody who shares it.
    pub(crate) async fn fetch_all<R: ReadRow + Send + 'static>(&self, statement: Statement) -> Result<Vec<R>, DbError> {
        let pool = self.clone();
        tokio::spawn(async move {
            let mut tries = 1;
            loop {
                match pool.read(&statement).await {
                    Err(DbError::Postgres(error)) if error.is_stale() && tries < TRIES => tries += 1,
                    answer => return answer,
                }
            }
        })
        .await?
    }

    async fn read<R: ReadRow>(&self, statement: &Statement) -> Result<Vec<R>, DbError> {
        if statement.is_by_key() {
            self.0.idle().as_ref().ok_or(DbError::Closed)?;
            return self.0.shared.link().await?.fetch_all(statement).await;
        }
        let mut lease = self.take().await?;
        let read = lease.session().fetch_all(statement).await;
        lease.give_back().await;
        read
    }

    /// One writing statement, a transaction by itself.
    pub(crate) async fn execute(&self, statement: &Statement) -> Result<u64, DbError> {
        let mut lease = self.take().await?;
        let done = lease.session().execute(statement).await;
        lease.give_back().await;
        Ok(done?)
    }

    pub(crate) async fn prepare(&self, statement: &Statement) -> Result<(), DbError> {
        let mut lease = self.take().await?;
        let prepared = lease.session().prepare(statement).await;
        lease.give_back().await;
        Ok(prepared?)
    }

    /// Hands rows out while the server still sends them. A reader that goes away closes the connection, which is cheaper than
    /// receiving the rest.
    pub(crate) async fn pour<R: ReadRow>(
        &self,
        statement: &Statement,
        sender: &mpsc::Sender<Result<Vec<R>, DbError>>,
    ) -> Result<(), DbError> {
        let mut lease = self.take().await?;
        let mut rows = std::pin::pin!(lease.session().script_and_query(LONG_READ, statement).await?);
        let mut together = Vec::with_capacity(ROWS_TOGETHER);
        while let Some(row) = lease.session().next(rows.as_mut()).await? {
            together.push(R::read(&Row::Postgres(&row))?);
            if together.len() == ROWS_TOGETHER {
                let full = std::mem::replace(&mut together, Vec::with_capacity(ROWS_TOGETHER));
                if sender.send(Ok(full)).await.is_err() {
                    return Ok(());
                }
            }
        }
        if !together.is_empty() && sender.send(Ok(together)).await.is_err() {
            return Ok(());
        }
        lease.session().script("commit").await?;
        lease.give_back().await;
        Ok(())
    }

    pub(crate) async fn begin(&self, writes: bool) -> Result<Tx, DbError> {
        let mut tries = 1;
        loop {
            let mut lease = self.take().await?;
            let begun = lease.session().script(if writes { "begin" } else { SNAPSHOT }).await;
            match begun {
                Ok(()) => return Ok(Tx::new(lease)),
                Err(error) if error.is_stale() && tries < TRIES => tries += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn take(&self) -> Result<Lease, DbError> {
        let taken = tokio::time::timeout(PATIENCE, async {
            let free = self.0.free.clone().acquire_owned().await.map_err(|_| DbError::Closed)?;
            while let Some(Unused { mut session, .. }) = self.0.idle().as_mut().ok_or(DbError::Closed)?.pop() {
                if session.is_alive() {
                    return Ok::<_, DbError>((session, free));
                }
            }
            Ok((Session::connect(&self.0.options).await?, free))
        });
        let (session, free) = taken.await.map_err(|_| DbError::NoConnection)??;
        if !self.0.tidied.swap(true, Ordering::Relaxed) {
            tokio::spawn(tidy(Arc::downgrade(&self.0)));
        }
        Ok(Lease { session, pool: self.clone(), _free: free })
    }

    /// Waits for whoever still uses a connection, and closes them all.
    pub(crate) async fn close(&self) {
        let idle = self.0.idle().take();
        for unused in idle.into_iter().flatten() {
            unused.session.close().await;
        }
        self.0.shared.close().await;
        // Fails where another has closed it meanwhile.
        let all = self.0.free.acquire_many(CONNECTIONS).await;
        self.0.free.close();
        drop(all);
    }
}

impl Inner {
    fn idle(&self) -> MutexGuard<'_, Option<Vec<Unused>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes those out that nobody has needed for a while; none once the pool is closed.
    fn unneeded(&self) -> Option<Vec<Unused>> {
        let mut idle = self.idle();
        let idle = idle.as_mut()?;
        let needed = idle.iter().position(|unused| unused.since.elapsed() < KEPT_UNUSED);
        Some(idle.drain(..needed.unwrap_or(idle.len())).collect())
    }
}

/// Until the pool is gone.
async fn tidy(pool: Weak<Inner>) {
    loop {
        tokio::time::sleep(KEPT_UNUSED / 2).await;
        let Some(unneeded) = pool.upgrade().and_then(|pool| pool.unneeded()) else { return };
        for unused in unneeded {
            unused.session.close().await;
        }
    }
}

/// A connection that is somebody's alone. It returns to the pool only when it is given back, between two exchanges; dropped
/// otherwise, it closes, and PostgreSQL rolls back what it had begun.
pub(super) struct Lease {
    session: Session,
    pool: Pool,
    /// Falls after the session: a connection that is closing is still one.
    _free: OwnedSemaphorePermit,
}

impl Lease {
    pub(super) fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    pub(super) async fn give_back(mut self) {
        if !self.session.is_alive() {
            return;
        }
        let unwanted = match self.pool.0.idle().as_mut() {
            Some(idle) => {
                idle.push(Unused { session: self.session, since: Instant::now() });
                None
            }
            None => Some(self.session),
        };
        if let Some(session) = unwanted {
            session.close().await;
        }
    }
}

/// Connections for reads by key: short answers, so that many readers may ask through one, and their questions and answers
/// travel together. Each has a task that works its socket. More of them than processors would only have less to send at once.
struct Shared {
    options: Options,
    places: Box<[tokio::sync::Mutex<Option<Working>>]>,
    next: AtomicUsize,
}

struct Working {
    link: Arc<Link>,
    driver: JoinHandle<()>,
}

impl Shared {
    fn new(options: Options) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        let places =
            (0..processors.clamp(SHARED_AT_LEAST, SHARED_AT_MOST)).map(|_| tokio::sync::Mutex::default()).collect();
        Self { options: options.with(BY_KEY), places, next: AtomicUsize::new(0) }
    }

    async fn link(&self) -> Result<Arc<Link>, DbError> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.places.len();
        let mut place = self.places[turn].lock().await;
        if let Some(working) = place.as_ref().filter(|working| !working.link.is_closed()) {
            return Ok(working.link.clone());
        }
        let made = tokio::time::timeout(PATIENCE, Link::connect(&self.options)).await;
        let (link, driver) = made.map_err(|_| DbError::NoConnection)??;
        let link = Arc::new(link);
        // What ended a connection is told to those who asked through it.
        let driver = tokio::spawn(async move { drop(driver.await) });
        *place = Some(Working { link: link.clone(), driver });
        Ok(link)
    }

    async fn close(&self) {
        for place in &self.places {
            if let Some(Working { link, driver }) = place.lock().await.take() {
                drop(link);
                let _ = driver.await; // it is over either way
            }
        }
    }
}

/// A statement that finds its rows by a key is planned once, and whatever the tables hold meanwhile: only plans by key are
/// left to choose, so that one made while they were empty does not scan them when they are full.
pub(crate) const BY_KEY: [(&str, &str); 7] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("enable_sort", "off"),
    ("enable_material", "off"),
    ("jit", "off"),
];
