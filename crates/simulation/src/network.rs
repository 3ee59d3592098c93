//! Between a process and its database: requests and answers that are lost, late, or met by silence.
//!
//! What was sent lives on without its sender: a commit of a process that died, or that gave up waiting, still arrives. A
//! process that sleeps learns its answers when it wakes; one that is dead never does.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use db::DbError;
use db::append::{Batch, Bytes32, Committed, Facts, HeadRow, Wanted};
use event_store::seam::{Log, Reader};
use event_store::{Filter, Head, Record, StoredOperation};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::database::{Database, Sent};
use crate::world::World;

/// How long a request may stay unanswered before its connection is given up.
const SILENCE: Duration = Duration::from_millis(150);

/// What becomes of one writing request.
struct Fate {
    there: Duration,
    back: Duration,
    arrives: bool,
    answered: bool,
    torn: bool,
}

/// One life of one process, as the database sees it.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) world: Arc<World>,
    pub(crate) process: usize,
    pub(crate) life: u64,
}

impl Session {
    pub(crate) fn note(&self, what: impl FnOnce() -> String) {
        self.world.with(|state| state.note(|| format!("p{}.{} {}", self.process, self.life, what())));
    }

    /// Returns once the process runs; never, once it is dead.
    async fn awake(&self) {
        loop {
            let (life, until) = self.world.with(|state| {
                let process = &state.processes[self.process];
                (process.life, process.asleep_until)
            });
            if life != self.life {
                pending::<()>().await;
            }
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }

    /// A statement that changes nothing.
    pub(crate) async fn read<T>(&self, statement: impl FnOnce(&Database) -> T + Send) -> Result<T, DbError>
    where
        T: Send,
    {
        self.awake().await;
        let (before, after, lost) = self.world.with(|state| {
            let latency = state.latency();
            let (before, after) = state.random.pick(&[(true, false), (false, true), (false, false), (false, false)]);
            let of = |slow: bool| slow.then_some(latency);
            (of(before), of(after), state.loses(state.faults.requests_lost))
        });
        if lost {
            sleep(SILENCE).await;
            self.awake().await;
            return Err(DbError::Silent);
        }
        if let Some(latency) = before {
            sleep(latency).await;
        }
        let answer = self.world.with(|state| statement(&state.database));
        if let Some(latency) = after {
            sleep(latency).await;
        }
        self.awake().await;
        Ok(answer)
    }

    /// A statement that changes something. `lasting`: whether this outcome left something on disk.
    async fn send<T: Send + 'static>(
        &self,
        statement: impl FnOnce(&mut Database, bool) -> T + Send + 'static,
        lasting: fn(&T) -> bool,
    ) -> Result<T, DbError> {
        self.awake().await;
        let fate = self.world.with(|state| {
            let late = if state.loses(state.faults.late) { state.random.millis(200, 3000) } else { Duration::ZERO };
            Fate {
                there: state.latency() + late,
                back: state.latency(),
                arrives: !state.loses(state.faults.requests_lost),
                answered: !state.loses(state.faults.answers_lost),
                torn: state.random.chance(100),
            }
        });
        let (answer, answered) = oneshot::channel();
        let session = self.clone();
        tokio::spawn(async move {
            sleep(fate.there).await;
            if !fate.arrives {
                return sleep(SILENCE).await; // keeps the connection open: nobody says that it was lost
            }
            let outcome = session.world.with(|state| statement(&mut state.database, fate.torn));
            let left = lasting(&outcome);
            sleep(fate.back).await;
            let heard = session.world.with(|state| {
                fate.answered && !state.is_silent() && state.processes[session.process].life == session.life
            });
            let heard = heard && answer.send(outcome).is_ok();
            if left && !heard {
                session.world.with(|state| state.tally.unknown_commits += 1);
                session.note(|| "is not told of its commit".to_owned());
            }
        });
        let answered = timeout(SILENCE, answered).await;
        self.awake().await;
        match answered {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) | Err(_) => Err(DbError::Silent),
        }
    }

    /// A transaction on the read database.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        what: &'static str,
        statement: impl FnOnce(&mut Database, bool) -> T + Send + 'static,
    ) -> Result<T, DbError> {
        self.note(|| what.to_owned());
        self.send(statement, |_| false).await
    }
}

impl Log for Session {
    async fn load(&mut self, wanted: &Wanted) -> Result<(HeadRow, Facts), DbError> {
        self.read(|database| database.load(wanted)).await
    }

    async fn commit(&mut self, batch: &Batch<'_>) -> Result<Committed, DbError> {
        let sent = Sent::of(batch);
        self.note(|| format!("commits {} after {}", sent.len(), sent.expected.position));
        let (position, hash) = (sent.head.position, sent.head.hash);
        let answer = self
            .send(move |database, torn| database.commit(&sent, torn), |outcome| matches!(outcome, Ok(Committed::Yes)))
            .await;
        self.note(|| match &answer {
            Ok(Ok(committed)) => format!("hears {committed:?}"),
            Ok(Err(error)) => format!("hears {error}"),
            Err(_) => "hears nothing".to_owned(),
        });
        if matches!(answer, Ok(Ok(Committed::Moved))) {
            self.world.with(|state| {
                let own = state.database.hash_at(position) == Some(hash);
                state.tally.lost_races += u64::from(!own);
            });
        }
        answer?
    }

    async fn hash_at(&mut self, position: i64) -> Result<Option<Bytes32>, DbError> {
        self.read(|database| database.hash_at(position)).await
    }
}

/// Followers of some processes read from a replica, which is behind.
impl Reader for Session {
    async fn head(&self) -> Result<Head, DbError> {
        let seen = self.world.with(|state| state.replicated(self.process));
        self.read(|database| {
            let position = seen.unwrap_or(database.head.position);
            let hash = database.hash_at(position).unwrap_or(event_store::genesis(crate::database::SLUG));
            Head { epoch: database.head.epoch, position, hash }
        })
        .await
    }

    async fn page(&self, after: i64, until: i64, limit: usize, filter: &Filter) -> Result<Vec<Record>, DbError> {
        let seen = self.world.with(|state| state.replicated(self.process));
        self.read(|database| {
            let held = until.min(seen.unwrap_or(until));
            let held = database.events.iter().filter(|event| event.position > after && event.position <= held);
            held.filter(|event| event.position == until || filter.matches(event)).take(limit).cloned().collect()
        })
        .await
    }

    async fn revisions(&self, first: i64, last: i64) -> Result<Vec<(String, i64)>, DbError> {
        self.read(|database| {
            let mut revisions: Vec<(String, i64)> = vec![];
            for event in database.events.iter().filter(|event| (first..=last).contains(&event.position)) {
                match revisions.iter_mut().find(|(stream, _)| *stream == event.stream) {
                    Some((_, revision)) => *revision = event.revision,
                    None => revisions.push((event.stream.clone(), event.revision)),
                }
            }
            revisions
        })
        .await
    }

    async fn operation(&self, id: Bytes32) -> Result<Option<StoredOperation>, DbError> {
        self.read(|database| {
            let done = database.operations.get(&id)?;
            Some(StoredOperation { fingerprint: done.fingerprint, first: done.first, last: done.last })
        })
        .await
    }
}
