//! Whether this process can serve: its database answered a moment ago.
//!
//! A pool can run dry for good when a peer falls silent; what notices is a question that is asked through it.

use std::{sync::Arc, time::Duration};

use db::{Databases, Statement};
use tokio::{sync::watch, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub(crate) struct Readiness(Arc<watch::Receiver<Result<(), String>>>);

impl Readiness {
    /// Asks the database until `stop`, from now on.
    pub(crate) fn watch(databases: Databases, stop: CancellationToken) -> Self {
        let (say, heard) = watch::channel(Err(String::from("starting")));
        tokio::spawn(async move {
            let mut tick = tokio::time::interval(EVERY);
            tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    () = stop.cancelled() => break,
                    _ = tick.tick() => {}
                }
                let _ = say.send_replace(ask(&databases).await);
            }
            let _ = say.send_replace(Err(String::from("stopping")));
        });
        Self(Arc::new(heard))
    }

    pub(crate) fn say(&self) -> Result<(), String> {
        self.0.borrow().clone()
    }
}

async fn ask(databases: &Databases) -> Result<(), String> {
    let question = databases.server().fetch_one::<(i64,)>(Statement::new("select 1", vec![]));
    match tokio::time::timeout(PATIENCE, question).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the database does not answer");
            Err(String::from("the database does not answer"))
        }
        Err(_) => Err(String::from("the database is too slow to answer")),
    }
}
