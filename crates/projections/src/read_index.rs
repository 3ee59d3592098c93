//! The log's head, read once for everybody who waits for it.
//!
//! Who must see all that was acknowledged before he asked needs the head as it was after he asked. A reading that is under
//! way may have begun too early for him, so all who ask meanwhile share the next one. Raft calls it a read index.

use std::sync::{Arc, Mutex as Lock, MutexGuard, PoisonError};
use std::time::Duration;

use db::BoxFuture;
use event_store::Head;
use tokio::sync::{Mutex, watch};

/// None where the head could not be read.
type Reading = BoxFuture<'static, Option<Head>>;

#[derive(Clone, Copy)]
enum Answer {
    Awaited,
    Read(Option<Head>),
}

pub(crate) struct ReadIndex(Arc<Inner>);

struct Inner {
    read: Box<dyn Fn() -> Reading + Send + Sync>,
    /// One reading at a time.
    turn: Mutex<()>,
    /// The reading that has not begun, with room for whoever asks now.
    next: Lock<Option<watch::Receiver<Answer>>>,
}

/// The head of the log as of some moment after this was asked for.
pub struct Now(watch::Receiver<Answer>);

/// Whoever shares a reading would wait with it; without a head he reads the stream.
const PATIENCE: Duration = Duration::from_secs(1);

impl ReadIndex {
    pub(crate) fn new(read: impl Fn() -> Reading + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { read: Box::new(read), turn: Mutex::default(), next: Lock::default() }))
    }

    /// No event that was acknowledged before this call lies past the head it will tell. The reading begins at once, in a task
    /// that runs to its end whoever still waits for it.
    pub(crate) fn now(&self) -> Now {
        let mut next = self.0.next();
        let answer = next.get_or_insert_with(|| {
            let (sender, answer) = watch::channel(Answer::Awaited);
            tokio::spawn(self.0.clone().take_turn(sender));
            answer
        });
        Now(answer.clone())
    }
}

impl Inner {
    async fn take_turn(self: Arc<Self>, sender: watch::Sender<Answer>) {
        let _turn = self.turn.lock().await;
        // Whoever asks from here on may know of something that this reading misses.
        self.next().take();
        let read = tokio::time::timeout(PATIENCE, (self.read)()).await;
        sender.send_replace(Answer::Read(read.ok().flatten()));
    }

    fn next(&self) -> MutexGuard<'_, Option<watch::Receiver<Answer>>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Now {
    /// None where it could not be read, or not in time.
    pub(crate) async fn head(&mut self) -> Option<Head> {
        let answer = self.0.wait_for(|answer| matches!(answer, Answer::Read(_))).await;
        answer.ok().and_then(|answer| match *answer {
            Answer::Read(head) => head,
            Answer::Awaited => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

    use futures_util::{FutureExt, future::join_all};
    use tokio::sync::Semaphore;
    use uuid::Uuid;

    use super::*;

    /// A log whose readings take until they are let go. What they read is what stood when they began.
    struct Log {
        head: AtomicI64,
        begun: AtomicUsize,
        begins: Semaphore,
        let_go: Semaphore,
    }

    fn index() -> (Arc<Log>, ReadIndex) {
        let log = Arc::new(Log {
            head: AtomicI64::new(1),
            begun: AtomicUsize::new(0),
            begins: Semaphore::new(0),
            let_go: Semaphore::new(0),
        });
        let read = log.clone();
        let index = ReadIndex::new(move || {
            let log = read.clone();
            async move {
                let position = log.head.load(Ordering::SeqCst);
                log.begun.fetch_add(1, Ordering::SeqCst);
                log.begins.add_permits(1);
                log.let_go.acquire().await.expect("nobody closes it").forget();
                Some(Head { epoch: Uuid::nil(), position, hash: [0; 32] })
            }
            .boxed()
        });
        (log, index)
    }

    async fn begins(log: &Log) {
        log.begins.acquire().await.expect("nobody closes it").forget();
    }

    async fn position(mut now: Now) -> Option<i64> {
        now.head().await.map(|head| head.position)
    }

    #[tokio::test]
    async fn a_reading_that_began_before_is_not_good_enough() {
        let (log, index) = index();
        let first = index.now();
        begins(&log).await;
        log.head.store(2, Ordering::SeqCst);
        let late = index.now();
        log.let_go.add_permits(2);
        assert_eq!((position(first).await, position(late).await), (Some(1), Some(2)));
    }

    #[tokio::test]
    async fn all_who_ask_meanwhile_share_one_reading() {
        let (log, index) = index();
        let first = index.now();
        begins(&log).await;
        let many: Vec<Now> = (0..50).map(|_| index.now()).collect();
        log.let_go.add_permits(2);
        let many = join_all(many.into_iter().map(position)).await;
        assert_eq!((position(first).await, many, log.begun.load(Ordering::SeqCst)), (Some(1), vec![Some(1); 50], 2));
    }

    #[tokio::test]
    async fn who_leaves_takes_nobody_with_him() {
        let (log, index) = index();
        let reads = index.now();
        begins(&log).await;
        let (waits, shares) = (index.now(), index.now());
        // The one for whom it is read leaves in the middle; of the two who wait for the next, one.
        drop((reads, waits));
        log.let_go.add_permits(2);
        assert_eq!(position(shares).await, Some(1));
    }

    #[tokio::test]
    async fn a_reading_that_hangs_is_given_up_and_the_next_begins() {
        let (log, index) = index();
        let hangs = index.now();
        begins(&log).await;
        let next = index.now();
        assert_eq!(position(hangs).await, None);
        log.let_go.add_permits(1);
        assert_eq!(position(next).await, Some(1));
    }
}
