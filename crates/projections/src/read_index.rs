//! The log's head, read once for everybody who waits for it.
//!
//! Who must see all that was acknowledged before he asked needs the head as it was after he asked. A reading that is under
//! way may have begun too early for him, so all who ask meanwhile share the next one. Raft calls it a read index.

use std::sync::{Arc, Mutex as Lock, MutexGuard, PoisonError, Weak};

use db::BoxFuture;
use futures_util::{FutureExt, future::Shared};
use tokio::sync::Mutex;

/// A position; none where the head could not be read.
type Reading = BoxFuture<'static, Option<i64>>;

pub(crate) struct ReadIndex(Arc<Inner>);

struct Inner {
    read: Box<dyn Fn() -> Reading + Send + Sync>,
    /// One reading at a time.
    turn: Mutex<()>,
    /// The reading that has not begun, with room for whoever asks now.
    next: Lock<Option<Shared<Reading>>>,
}

impl ReadIndex {
    pub(crate) fn new(read: impl Fn() -> Reading + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { read: Box::new(read), turn: Mutex::default(), next: Lock::default() }))
    }

    /// No event that was acknowledged before this call lies past the answer.
    pub(crate) async fn head(&self) -> Option<i64> {
        let reading = self.0.next().get_or_insert_with(|| self.0.reading().shared()).clone();
        reading.await
    }
}

impl Inner {
    fn reading(self: &Arc<Self>) -> Reading {
        // It may lie in `next` for ever, if all who wanted it have left.
        let inner = Arc::downgrade(self);
        async move { Weak::upgrade(&inner)?.take_turn().await }.boxed()
    }

    async fn take_turn(&self) -> Option<i64> {
        let _turn = self.turn.lock().await;
        // Whoever asks from here on may know of something that this reading misses.
        self.next().take();
        (self.read)().await
    }

    fn next(&self) -> MutexGuard<'_, Option<Shared<Reading>>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

    use futures_util::future::{join, join_all};
    use tokio::sync::Semaphore;

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
                let head = log.head.load(Ordering::SeqCst);
                log.begun.fetch_add(1, Ordering::SeqCst);
                log.begins.add_permits(1);
                log.let_go.acquire().await.expect("nobody closes it").forget();
                Some(head)
            }
            .boxed()
        });
        (log, index)
    }

    async fn begins(log: &Log) {
        log.begins.acquire().await.expect("nobody closes it").forget();
    }

    #[tokio::test]
    async fn a_reading_that_began_before_is_not_good_enough() {
        let (log, index) = index();
        let late = async {
            begins(&log).await;
            log.head.store(2, Ordering::SeqCst);
            log.let_go.add_permits(2);
            index.head().await
        };
        assert_eq!(join(index.head(), late).await, (Some(1), Some(2)));
    }

    #[tokio::test]
    async fn all_who_ask_meanwhile_share_one_reading() {
        let (log, index) = index();
        let first = index.head();
        let many = async {
            begins(&log).await;
            let asked = join_all((0..50).map(|_| index.head()));
            log.let_go.add_permits(2);
            asked.await
        };
        let (_, many) = join(first, many).await;
        assert_eq!((many, log.begun.load(Ordering::SeqCst)), (vec![Some(1); 50], 2));
    }

    #[tokio::test]
    async fn who_leaves_takes_nobody_with_him() {
        let (log, index) = index();
        let mut reads = Box::pin(index.head());
        let mut waits = Box::pin(index.head());
        assert!((&mut reads).now_or_never().is_none());
        let mut shares = Box::pin(index.head());
        // The one who reads leaves in the middle; of the two who wait for the next, one.
        assert!((&mut waits).now_or_never().is_none());
        assert!((&mut shares).now_or_never().is_none());
        drop((reads, waits));
        log.let_go.add_permits(2);
        assert_eq!(shares.await, Some(1));
        assert_eq!(index.head().await, Some(1));
    }
}
