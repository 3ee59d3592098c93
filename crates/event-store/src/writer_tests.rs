//! The writer against a simulator that loses answers, lets others write in between, and refuses.

use std::sync::{Arc, Mutex};

use db::append::{Batch, Bytes32, Committed, Facts, HeadRow, NewRow, StreamState, Wanted};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::*;
use crate::admit::tests::Simulated;
use crate::request::{Request, Waiting};
use crate::{Append, Expected, NewEvent, Write};

/// What happens to one commit.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Fine,
    /// Written, but the answer is lost.
    AnswerLost,
    /// Not written, and nobody says so.
    RequestLost,
    /// Not written, and before it is sent again somebody else writes.
    Overtaken,
    /// Written, the answer is lost, and somebody else writes after it.
    Followed,
    /// Written and acknowledged; then the database is one that never had it, with as many events of somebody else's.
    Forgotten(usize),
}

#[derive(Clone)]
struct Simulator {
    log: Arc<Mutex<Simulated>>,
    fates: Arc<Mutex<Vec<Fate>>>,
}

fn lost() -> DbError {
    DbError::Silent
}

fn other_event(log: &mut Simulated) {
    let hash = [log.head.position as u8; 32];
    let stream = format!("other-{}", log.head.position);
    let position = log.head.position + 1;
    let event = NewRow {
        stream: &stream,
        first: Some(position),
        revision: 0,
        id: Uuid::from_u128(1),
        kind: "o.x",
        schema: 1,
        payload: b"",
        meta: b"",
        hash,
    };
    let batch = Batch {
        expected: log.head,
        head: HeadRow { position, hash, ..log.head },
        events: vec![event],
        new_streams: vec![(&stream, StreamState { first: Some(position), ..StreamState::live(0) })],
        continued_streams: vec![],
        hidden_streams: vec![],
        operations: vec![],
        unknown_events: vec![],
        assumed: vec![],
    };
    assert_eq!(log.commit(&batch), Committed::Yes);
}

impl Log for Simulator {
    async fn load(&mut self, wanted: &Wanted) -> Result<(HeadRow, Facts), DbError> {
        let log = self.log.lock().expect("no panic");
        Ok((log.head, log.facts(wanted)))
    }

    async fn commit(&mut self, batch: &Batch<'_>) -> Result<Committed, DbError> {
        let mut log = self.log.lock().expect("no panic");
        if batch.events.iter().any(|event| event.kind == "poison.x") {
            return Err(DbError::Refused("it will never do".to_owned()));
        }
        match self.fates.lock().expect("no panic").pop().unwrap_or(Fate::Fine) {
            Fate::Fine => Ok(log.commit(batch)),
            Fate::RequestLost => Err(lost()),
            Fate::AnswerLost => {
                log.commit(batch);
                Err(lost())
            }
            Fate::Overtaken => {
                other_event(&mut log);
                Err(lost())
            }
            Fate::Followed => {
                log.commit(batch);
                other_event(&mut log);
                Err(lost())
            }
            Fate::Forgotten(others) => {
                let before = log.clone();
                let outcome = log.commit(batch);
                *log = before;
                (0..others).for_each(|_| other_event(&mut log));
                Ok(outcome)
            }
        }
    }

    async fn hash_at(&mut self, position: i64) -> Result<Option<Bytes32>, DbError> {
        Ok(self.log.lock().expect("no panic").hashes.get(position as usize - 1).copied())
    }
}

fn request(n: u128, kind: &str) -> Request {
    // Four of the large ones fill a batch.
    let payload = vec![0; if kind == "large.x" { LARGEST_APPEND / 5 } else { 0 }];
    let event = NewEvent { id: Uuid::from_u128(100 + n), kind: kind.to_owned(), schema: 1, payload, meta: vec![] };
    let write = Write { stream: format!("a-{}", n % 3), expected: Expected::Any, events: vec![event] };
    Request::new(Append { writes: vec![write], checks: vec![], operation: None }).expect("well formed")
}

/// Sends these through a writer, all in one batch where it can, and waits for every answer.
async fn run(fates: Vec<Fate>, kinds: &[&str]) -> (Vec<Result<Answer, AppendError>>, Simulated) {
    let log = Simulated::empty();
    let simulator = Simulator { log: Arc::new(Mutex::new(log.clone())), fates: Arc::new(Mutex::new(fates)) };
    let (sender, queue) = mpsc::channel(100);
    let mut answers = vec![];
    for (n, kind) in kinds.iter().enumerate() {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { request: request(n as u128, kind), since: Instant::now(), answer };
        sender.try_send(waiting).expect("there is room");
        answers.push(answered);
    }
    drop(sender);
    let writer = Writer {
        log: simulator.clone(),
        known: Known::at(log.head),
        queue,
        ring: Arc::new(Ring::new(0, 100)),
        clock: || DateTime::UNIX_EPOCH,
        diverged: Arc::new(AtomicBool::new(false)),
        figures: Figures::of("simulated"),
        most_requests: 100,
    };
    writer.run().await;
    let mut said = vec![];
    for answer in answers {
        said.push(answer.await.expect("everyone is answered"));
    }
    let log = simulator.log.lock().expect("no panic").clone();
    (said, log)
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_is_resolved_before_anyone_is_answered() {
    use Fate::{AnswerLost, Fine, Followed, Overtaken, RequestLost};
    for fates in [
        vec![Fine],
        vec![AnswerLost],
        vec![RequestLost],
        vec![Overtaken],
        vec![Followed],
        vec![RequestLost, AnswerLost],
        vec![Overtaken, RequestLost, Overtaken, AnswerLost],
        vec![Followed, Overtaken, RequestLost],
    ] {
        let (answers, log) = run(fates.clone(), &["a.x"; 7]).await;
        for (n, answer) in answers.into_iter().enumerate() {
            let Ok(Answer::Appended(appended)) = answer else { panic!("{fates:?}: {answer:?}") };
            let stored = &log.events[appended.first as usize - 1];
            assert_eq!(stored.1, Uuid::from_u128(100 + n as u128), "{fates:?}: answered with another's position");
            assert!(!appended.replayed, "{fates:?}: the writer took its own commit for another's");
        }
        let ours = log.events.iter().filter(|event| event.0.starts_with("a-")).count();
        assert_eq!(ours, 7, "{fates:?}: written twice or not at all");
    }
}

#[tokio::test]
async fn one_poisoned_request_does_not_fail_its_neighbours() {
    let (answers, log) = run(vec![], &["a.x", "poison.x", "a.x", "a.x"]).await;
    let written: Vec<_> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(written, [true, false, true, true]);
    assert!(matches!(answers[1], Err(AppendError::Storage(_))));
    assert_eq!(log.events.len(), 3);
}

#[tokio::test]
async fn a_log_without_what_was_acknowledged_is_not_written_on() {
    // Behind what was acknowledged, level with it, and ahead of it, which makes it no more the same log.
    for others in [0, 3, 4, 5, 9] {
        let (answers, log) = run(vec![Fate::Forgotten(others)], &["large.x"; 12]).await;
        let (written, refused) = answers.split_at(4);
        assert!(written.iter().all(Result::is_ok), "the first batch was acknowledged");
        assert!(refused.iter().all(|answer| matches!(answer, Err(AppendError::Diverged))), "{refused:?}");
        assert!(log.events.iter().all(|event| event.0.starts_with("other-")), "it was written on");
    }
}
