//! Puts the crates together: databases, logs, vaults, organisations, read models.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, bail, ensure};
use application::{Application, Organisation, RandomIds, SystemClock};
use db::{Databases, Location, LogEntry};
use domain::declaration::Declaration;
use event_store::EventStore;
use projections::{ReadModels, Worker};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use vault::{ApiKeys, MasterKey, Vault};

use crate::{config::Settings, declarations};

/// What a serving process holds.
pub(crate) struct Site {
    pub databases: Databases,
    pub application: Application,
    /// By slug.
    pub models: BTreeMap<String, ReadModels>,
}

/// One organisation without its keys: enough to fold, compare and verify.
pub(crate) struct Unkeyed {
    pub entry: LogEntry,
    pub models: ReadModels,
}

pub(crate) async fn databases(settings: &Settings) -> anyhow::Result<Databases> {
    Databases::open(&settings.location()?).await.context("open the database")
}

/// The databases of a place that is one already. A mistyped place would be made, and nothing in it would differ from
/// anything.
pub(crate) async fn existing(settings: &Settings) -> anyhow::Result<Databases> {
    let location = settings.location()?;
    let exist = Databases::exist(&location).await.context("look for the database")?;
    // A URL may hold a password: it is not repeated.
    let place = match &location {
        Location::Sqlite(folder) => folder.display().to_string(),
        Location::Postgres(_) => "that PostgreSQL database".to_owned(),
    };
    ensure!(exist, "there is nothing of Guichet in {place}: `guichet migrate` makes it");
    databases(settings).await
}

/// Such a place and its logs, all or one. To look at none is no success.
pub(crate) async fn logs(settings: &Settings, slug: Option<&str>) -> anyhow::Result<(Databases, Vec<LogEntry>)> {
    let databases = existing(settings).await?;
    let mut entries = databases.logs().await.context("list the logs")?;
    ensure!(!entries.is_empty(), "there is no organisation here: `guichet migrate` publishes declarations");
    if let Some(slug) = slug {
        entries.retain(|entry| entry.slug == slug);
        ensure!(!entries.is_empty(), "there is no organisation {slug} here");
    }
    for entry in &entries {
        let held = databases.hold(entry).await.context("look for the log")?;
        ensure!(held, "the log of {} is not where it was: its file is gone", entry.slug);
    }
    Ok((databases, entries))
}

/// Opens everything, and publishes the declarations that the logs do not know yet.
pub(crate) async fn site(settings: &Settings) -> anyhow::Result<Site> {
    let master = settings.master_key()?;
    site_on(databases(settings).await?, &settings.declarations, &master).await
}

/// The same on databases that are open already.
pub(crate) async fn site_on(databases: Databases, folder: &Path, master: &MasterKey) -> anyhow::Result<Site> {
    let files = declarations::read(folder).context("read the declarations")?;
    let mut published: BTreeMap<String, Vec<(Declaration, String)>> = BTreeMap::new();
    for file in files {
        let slug = file.declaration.organisation.slug.to_string();
        published.entry(slug).or_default().push((file.declaration, file.text));
    }
    // An organisation whose file is gone lives on by what its log says.
    for entry in databases.logs().await.context("list the logs")? {
        published.entry(entry.slug).or_default();
    }
    let (mut organisations, mut models) = (Vec::new(), BTreeMap::new());
    for (slug, declarations) in published {
        let entry = databases.create_log(&slug).await.with_context(|| format!("create the log {slug}"))?;
        let (organisation, read) = organisation(&databases, &entry, master, declarations)
            .await
            .with_context(|| format!("start the organisation {slug}"))?;
        organisations.push(organisation);
        models.insert(slug, read);
    }
    let api_keys = ApiKeys::new(databases.server().clone());
    Ok(Site { application: Application::new(organisations, api_keys), databases, models })
}

async fn organisation(
    databases: &Databases,
    entry: &LogEntry,
    master: &MasterKey,
    declarations: Vec<(Declaration, String)>,
) -> anyhow::Result<(Organisation, ReadModels)> {
    let store = EventStore::open(databases.log(entry).await?, entry).await?;
    let vault = Vault::open(databases.vault(entry).await?, entry, master).await?;
    let models = ReadModels::open(store.clone(), databases.read(entry).await?).await?;
    let organisation =
        Organisation::start(store, vault, Arc::new(SystemClock), Arc::new(RandomIds), declarations).await?;
    Ok((organisation, models))
}

/// The logs and read models, all or one, without any key.
pub(crate) async fn unkeyed(settings: &Settings, slug: Option<&str>) -> anyhow::Result<(Databases, Vec<Unkeyed>)> {
    let (databases, entries) = logs(settings, slug).await?;
    let mut found = Vec::new();
    for entry in entries {
        let store = EventStore::open(databases.log(&entry).await?, &entry).await?;
        let models = ReadModels::open(store, databases.read(&entry).await?).await?;
        found.push(Unkeyed { entry, models });
    }
    Ok((databases, found))
}

impl Site {
    /// Runs the projections of every organisation until `stop`.
    pub(crate) fn work(&self, stop: &CancellationToken) -> Vec<JoinHandle<()>> {
        work(self.models.values(), stop)
    }
}

pub(crate) fn work<'a>(models: impl Iterator<Item = &'a ReadModels>, stop: &CancellationToken) -> Vec<JoinHandle<()>> {
    models
        .map(|models| {
            let stop = stop.clone();
            tokio::spawn(Worker::run(models.clone(), async move { stop.cancelled().await }))
        })
        .collect()
}

/// Cancelled by Ctrl-C, or by SIGTERM as supervisors send it.
pub(crate) fn stop_signal() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .context("listen for the signal to stop")?;
    let told = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        told.cancel();
    });
    Ok(stop)
}

/// Waits until every read model holds what the log holds now; fails if one has stopped.
pub(crate) async fn catch_up(models: &ReadModels) -> anyhow::Result<()> {
    let head = models.store().head().await.context("read the head of the log")?.position;
    while !models.wait_for(head, Duration::from_secs(1)).await.context("wait for the read models")? {
        fail_if_stopped(models).await?;
    }
    fail_if_stopped(models).await
}

async fn fail_if_stopped(models: &ReadModels) -> anyhow::Result<()> {
    for model in models.status().await.context("ask where the read models stand")? {
        if let Some((position, why)) = model.stopped {
            bail!("the read model {} stopped at position {position}: {why}", model.name);
        }
    }
    Ok(())
}
