//! What a process tells whoever operates it: whether it can serve, which read models cannot be relied upon, its metrics.
//!
//! Ready is a process whose database answered a moment ago and whose logs can be appended to: each has its writer, and holds
//! what that writer has seen of it. A pool can run dry for good
//! when a peer falls silent; what notices is a question that is asked through it. A read model that has stopped, or was
//! never filled, is told and measured, and takes nothing down: citizens can still ask, and what they ask is in the log.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use api::Told;
use db::{Databases, Statement};
use metrics_exporter_prometheus::PrometheusHandle;
use projections::{ModelStatus, ReadModels};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, timeout},
};
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(2);

/// What can be told with an answer that is at most a moment old; asks until `stop`, from now on.
pub(crate) fn told(
    databases: Databases,
    models: Vec<ReadModels>,
    metrics: PrometheusHandle,
    stop: CancellationToken,
) -> Told {
    let (say, heard) = watch::channel(Err(String::from("starting")));
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = tick.tick() => {}
            }
            let _ = say.send_replace(ask(&databases, &models).await);
        }
        let _ = say.send_replace(Err(String::from("stopping")));
    });
    Told { ready: Arc::new(move || heard.borrow().clone()), metrics: Arc::new(move || metrics.render()) }
}

async fn ask(databases: &Databases, models: &[ReadModels]) -> Result<String, String> {
    if let Some(dead) = models.iter().find(|models| !models.store().is_writing()) {
        return Err(format!("the writer of {} is gone: start this process again", dead.store().slug()));
    }
    if let Some(diverged) = models.iter().find(|models| models.store().has_diverged()) {
        return Err(format!("the log of {} no longer holds what this process has seen of it", diverged.store().slug()));
    }
    let question = databases.server().fetch_one::<(i64,)>(Statement::new("select 1", vec![]));
    match timeout(PATIENCE, question).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the database does not answer");
            return Err(String::from("the database does not answer"));
        }
        Err(_) => return Err(String::from("the database is too slow to answer")),
    }
    let mut text = String::from("ok");
    for models in models {
        let slug = models.store().slug();
        match timeout(PATIENCE, models.status()).await {
            Ok(Ok(status)) => tell(slug, &status, &mut text),
            Ok(Err(_)) | Err(_) => {
                let _ = write!(text, "\n{slug}: the read models do not answer");
            }
        }
    }
    Ok(text)
}

fn tell(slug: &str, status: &[ModelStatus], text: &mut String) {
    for model in status {
        let unfilled = model.generation.is_none();
        let labels = [("organisation", slug.to_owned()), ("projection", model.name.to_owned())];
        metrics::gauge!("guichet_projection_unfilled", &labels).set(f64::from(u8::from(unfilled)));
        // The log says why it stopped; the reason may name what was in an event.
        let _ = match &model.stopped {
            Some((position, _)) => write!(text, "\n{slug}: {} has stopped at position {position}", model.name),
            None if unfilled => write!(text, "\n{slug}: {} was never filled", model.name),
            None => Ok(()),
        };
    }
}

#[cfg(test)]
mod examples {
    use super::*;

    #[test]
    fn only_what_cannot_be_relied_upon_is_told() {
        let model = |name, generation, stopped| ModelStatus { name, version: 1, generation, position: 7, stopped };
        let status = [
            model("queue", Some(1), None),
            model("figures", Some(1), Some((8, "Ada".to_owned()))),
            model("base", None, None),
        ];
        let mut text = String::from("ok");
        tell("boston", &status, &mut text);
        assert_eq!(text, "ok\nboston: figures has stopped at position 8\nboston: base was never filled");
    }
}
