//! Readers of the log, as another process would be one: they follow it through every fault and write down what they are
//! handed. Now and then one forgets where it was and resumes from an earlier place that it remembers.

use std::time::Duration;

use anyhow::Context;
use checker::ledger::{Line, Resumed, Saw};
use event_store::{Delivery, EventStore, Filter};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    ledger::{Ledger, hex},
    stage::{Stage, within},
};

const AFTER_AN_ERROR: Duration = Duration::from_millis(50);
/// Longer than a reader needs for all that a night wrote.
const ARRIVES: Duration = Duration::from_mins(15);
/// Once in so many events a reader starts again.
const FORGETFUL: u32 = 500;

pub(crate) struct Readers {
    until: watch::Sender<Option<i64>>,
    tasks: Vec<JoinHandle<anyhow::Result<()>>>,
}

impl Readers {
    pub(crate) fn start(stage: &Stage, count: usize) -> anyhow::Result<Self> {
        let (until, told) = watch::channel(None);
        let mut tasks = Vec::with_capacity(count);
        for number in 0..count {
            let name = format!("reader-{number}");
            let ledger = stage.ledgers.open(&name)?;
            let random = StdRng::seed_from_u64(stage.seed ^ 0x0f_0110 ^ (number as u64) << 40);
            let reader = Reader { name, ledger, store: stage.store.clone(), random, until: told.clone(), at: 0 };
            tasks.push(tokio::spawn(reader.run()));
        }
        Ok(Self { until, tasks })
    }

    /// They have seen what they have seen: the database goes away beneath them.
    pub(crate) async fn abandon(self) {
        for task in self.tasks {
            task.abort();
            let _ = task.await; // stopped where it stood
        }
    }

    /// Lets them read up to the head of a log that nobody writes any more.
    pub(crate) async fn finish(self, head: i64) -> anyhow::Result<()> {
        let _ = self.until.send_replace(Some(head));
        for task in self.tasks {
            within(ARRIVES, "a reader's way to the head", task).await?.context("a reader stopped")??;
        }
        Ok(())
    }
}

struct Reader {
    name: String,
    ledger: Ledger,
    store: EventStore,
    random: StdRng,
    until: watch::Receiver<Option<i64>>,
    at: i64,
}

impl Reader {
    async fn run(mut self) -> anyhow::Result<()> {
        while !self.is_done() {
            self.ledger.write(&Line::Resumed(Resumed { reader: self.name.clone(), after: self.at }))?;
            let mut subscription = self.store.subscribe(self.at, Filter::all());
            loop {
                let delivery = tokio::select! {
                    delivery = subscription.next() => delivery,
                    told = self.until.changed() => {
                        told.context("the soak is gone")?;
                        if self.is_done() {
                            return Ok(());
                        }
                        continue;
                    }
                };
                match delivery {
                    Ok(Delivery::Event(record)) => {
                        let hash = hex(&record.hash);
                        let (reader, position, id) = (self.name.clone(), record.position, record.id);
                        self.ledger.write(&Line::Saw(Saw { reader, position, id, hash }))?;
                        self.at = position;
                        if self.is_done() {
                            return Ok(());
                        }
                        if self.random.random_range(0..FORGETFUL) == 0 {
                            self.at -= self.random.random_range(0..=self.at.min(100));
                            break;
                        }
                    }
                    Ok(Delivery::CaughtUp { .. } | Delivery::Passed { .. }) => {}
                    Err(_) => {
                        tokio::time::sleep(AFTER_AN_ERROR).await;
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.until.borrow().is_some_and(|head| self.at >= head)
    }
}
