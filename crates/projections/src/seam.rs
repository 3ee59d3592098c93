//! What the runner needs of the log and of the read database, small enough that a simulator can take their place in tests.
//!
//! Above the seam: which page goes into which read model, the fold, what is done when a checkpoint was lost, when an event
//! cannot be folded, when the history is another. Below it: one statement or one transaction for each method.

use std::collections::HashMap;
use std::time::Duration;

use db::DbError;
use event_store::StoreError;
use futures_util::FutureExt;
use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    Generation, Projection, ReadModels, RebuildOutcome, Rebuilt, Tables, Unfoldable, delivery::explain, generation,
    model, rebuild,
};

pub use crate::{
    apply::{Applied, apply},
    delivery::Delivered,
    fold::Folded,
    log_page::LogPage,
    runner::run,
};

/// Until a filling is tried again that read the whole log in vain: another program has to come first.
const AFTER_A_FAILURE: Duration = Duration::from_secs(30);
const AFTER_AN_ERROR: Duration = Duration::from_secs(1);

/// What the runner stands on.
pub trait Ground: Clone + Send + Sync + 'static {
    /// One read model's code.
    type Model: Copy + Send + Sync + 'static;

    fn slug(&self) -> &str;

    /// Every read model of this code.
    fn models(&self) -> Vec<Self::Model>;

    /// Name and version.
    fn identity(model: Self::Model) -> (&'static str, i64);

    /// The position of the head as this process knows it.
    fn watch(&self) -> watch::Receiver<i64>;

    /// Which history the log tells.
    fn epoch(&self) -> impl Future<Output = Result<Uuid, StoreError>> + Send;

    fn page(&self, after: i64) -> impl Future<Output = Result<LogPage, StoreError>> + Send;

    fn generations(&self) -> impl Future<Output = Result<Vec<Generation>, DbError>> + Send;

    /// [`apply`], for this read model.
    fn apply(
        &self,
        model: Self::Model,
        from: &Generation,
        run: &[Delivered],
    ) -> impl Future<Output = Result<Applied, DbError>> + Send;

    /// Writes down why a projection stopped, unless it has moved on meanwhile.
    fn stop(&self, at: &Generation, why: &str, failed_at: i64) -> impl Future<Output = Result<(), DbError>> + Send;

    /// Fills read models that were never filled, and logs what came of it; waits a while where trying again at once is vain.
    fn fill(&self, missing: Vec<Self::Model>) -> impl Future<Output = ()> + Send + 'static;

    /// A checkpoint moved.
    fn has_moved(&self);

    /// Which generation serves is to be asked again.
    fn forget_all(&self);
}

/// Where the rows of one projection lie, with its checkpoint; and the log they are folded from.
pub trait Shelf<P: Projection>: Sync {
    /// The rows of these scopes, by scope.
    fn load(
        &self,
        from: &Generation,
        scopes: &[&str],
    ) -> impl Future<Output = Result<HashMap<String, P::Tables>, DbError>> + Send;

    /// Every event of these scopes up to the checkpoint, each scope's in order.
    fn past(&self, from: &Generation, scopes: &[&str]) -> impl Future<Output = Result<Vec<Delivered>, DbError>> + Send;

    /// In one transaction: moves the checkpoint, if it still stands at `from`, and writes the rows. False if it does not.
    fn commit(
        &self,
        from: &Generation,
        to: &Generation,
        folded: Folded,
    ) -> impl Future<Output = Result<bool, DbError>> + Send;

    /// Whether its tables are still there.
    fn is_alive(&self, generation: &Generation) -> impl Future<Output = Result<bool, DbError>> + Send;
}

/// A read model of this crate.
#[derive(Clone, Copy)]
pub struct Own(&'static dyn model::Model);

impl Ground for ReadModels {
    type Model = Own;

    fn slug(&self) -> &str {
        self.store().slug()
    }

    fn models(&self) -> Vec<Own> {
        model::ALL.map(Own).to_vec()
    }

    fn identity(Own(model): Own) -> (&'static str, i64) {
        (model.name(), model.version())
    }

    fn watch(&self) -> watch::Receiver<i64> {
        self.store().watch()
    }

    async fn epoch(&self) -> Result<Uuid, StoreError> {
        Ok(self.store().head().await?.epoch)
    }

    async fn page(&self, after: i64) -> Result<LogPage, StoreError> {
        self.pages().after(self.store(), after).await
    }

    async fn generations(&self) -> Result<Vec<Generation>, DbError> {
        generation::all(self.read()).await
    }

    async fn apply(&self, Own(model): Own, from: &Generation, run: &[Delivered]) -> Result<Applied, DbError> {
        model.apply(self, from, run).await
    }

    async fn stop(&self, at: &Generation, why: &str, failed_at: i64) -> Result<(), DbError> {
        generation::stop(self.read(), at, why, failed_at).await
    }

    fn fill(&self, missing: Vec<Own>) -> impl Future<Output = ()> + Send + 'static {
        let models = self.clone();
        let missing: Vec<_> = missing.into_iter().map(|Own(model)| model).collect();
        async move {
            let names: Vec<&str> = missing.iter().map(|model| model.name()).collect();
            let organisation = models.slug().to_owned();
            match rebuild::fill_first(&models, missing).await {
                Ok(report) => {
                    let mut failed = false;
                    for Rebuilt { name, outcome, .. } in report.models {
                        if let RebuildOutcome::Failed(Unfoldable { position, why }) = outcome {
                            tracing::error!(
                                organisation,
                                projection = name,
                                position,
                                why,
                                "a projection cannot take the place of another version, which has passed this event"
                            );
                            failed = true;
                        } else {
                            tracing::info!(
                                organisation,
                                projection = name,
                                events = report.events,
                                "filled a read model"
                            );
                        }
                    }
                    if failed {
                        tokio::time::sleep(AFTER_A_FAILURE).await;
                    }
                }
                Err(error) => {
                    tracing::error!(organisation, ?names, error = explain(&error), "could not fill read models");
                    tokio::time::sleep(AFTER_AN_ERROR).await;
                }
            }
        }
    }

    fn has_moved(&self) {
        Self::has_moved(self);
    }

    fn forget_all(&self) {
        Self::forget_all(self);
    }
}

impl<P: Projection> Shelf<P> for ReadModels {
    async fn load(&self, from: &Generation, scopes: &[&str]) -> Result<HashMap<String, P::Tables>, DbError> {
        P::Tables::load(self.read(), from, crate::list_of(Some(scopes))).await
    }

    async fn past(&self, from: &Generation, scopes: &[&str]) -> Result<Vec<Delivered>, DbError> {
        let mut past = Vec::new();
        for scope in scopes {
            let records = self.store().read_whole_stream(scope, from.position).await.map_err(|error| match error {
                StoreError::Db(error) => error,
                StoreError::Closed => DbError::Closed,
            })?;
            past.extend(records.into_iter().map(Delivered::decode));
        }
        Ok(past)
    }

    async fn commit(&self, from: &Generation, to: &Generation, folded: Folded) -> Result<bool, DbError> {
        let (from, to) = (from.clone(), to.clone());
        self.read().write(move |tx| async move { crate::apply::write::<P>(tx, &from, &to, folded).await }.boxed()).await
    }

    async fn is_alive(&self, generation: &Generation) -> Result<bool, DbError> {
        generation::is_alive(self.read(), generation).await
    }
}
