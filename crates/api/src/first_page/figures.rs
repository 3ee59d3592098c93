//! The figures of the first page, asked of the read models at most once a second, however many look.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use application::Organisation;
use projections::{
    ReadError, ReadModels,
    statistics::{self, Selection},
};
use tokio::sync::Mutex;

use crate::state::{ApiState, PATIENCE};

const FRESH: Duration = Duration::from_secs(1);

/// Of one organisation, since its first request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    pub(super) requests: i64,
    pub(super) open: i64,
    /// Promises, by what became of them; those that were released were taken back and count nowhere.
    pub(super) kept: i64,
    pub(super) missed: i64,
    pub(super) owed: i64,
}

/// What was asked last. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Latest(Arc<Mutex<Option<Asked>>>);

struct Asked {
    at: Instant,
    figures: Arc<[Option<Figures>]>,
}

impl Latest {
    /// In the order of the organisations. Whoever comes while they are asked waits for the same answer.
    pub(super) async fn read(&self, state: &ApiState) -> Arc<[Option<Figures>]> {
        let mut latest = self.0.lock().await;
        if let Some(asked) = latest.as_ref().filter(|asked| asked.at.elapsed() < FRESH) {
            return Arc::clone(&asked.figures);
        }
        let mut figures = Vec::new();
        for organisation in state.application.organisations() {
            figures.push(of(state, organisation).await);
        }
        let figures: Arc<[_]> = figures.into();
        *latest = Some(Asked { at: Instant::now(), figures: Arc::clone(&figures) });
        figures
    }
}

/// None while a read model is being filled, or its database does not answer: the page is there all the same.
async fn of(state: &ApiState, organisation: &Organisation) -> Option<Figures> {
    let models = state.read(organisation).ok()?;
    match tokio::time::timeout(PATIENCE, sums(models)).await {
        Ok(Ok(figures)) => Some(figures),
        Ok(Err(ReadError::NotReady { .. })) => None,
        Ok(Err(error)) => {
            tracing::warn!(organisation = organisation.slug(), %error, "the first page has no figures");
            None
        }
        Err(_) => {
            tracing::warn!(organisation = organisation.slug(), "the first page has no figures in time");
            None
        }
    }
}

async fn sums(models: &ReadModels) -> Result<Figures, ReadError> {
    let everything = Selection::default();
    let volume = statistics::volume(models, &everything, None, None).await?;
    let open = statistics::backlog(models, &everything).await?;
    let promises = statistics::promises(models, &everything, None, None).await?;
    Ok(Figures {
        requests: volume.iter().map(|line| line.opened).sum(),
        open,
        kept: promises.iter().map(|line| line.kept).sum(),
        missed: promises.iter().map(|line| line.missed).sum(),
        owed: promises.iter().map(|line| line.owed).sum(),
    })
}
