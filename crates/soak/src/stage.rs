//! What every scenario plays on: the site, its keys, the ledgers, the servers that are up, and the end of a run.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use checker::{
    Database, History, Report,
    ledger::{Checkpoint, Compared, Ended, Fault as Injected, Line, Ready},
};
use db::{Databases, Dialect, Location, LogEntry, Statement};
use event_store::EventStore;
use projections::ReadModels;
use serde_json::Value;
use tokio::sync::watch;

use crate::{
    Plan,
    client::Client,
    ledger::{Clock, Ledger, Ledgers},
    load::{Load, Urls},
    machine::Machine,
    proxy::Proxy,
    reader::Readers,
    scenario::Fault,
    server::Server,
    site::{self, JURISDICTION, ORGANISATION, Site},
};

/// Longer than any read model needs for what a soak writes: only one that has stopped takes all of it.
const CATCH_UP: Duration = Duration::from_mins(2);
/// Longer than a look at everything that a night wrote.
const LOOK: Duration = Duration::from_mins(15);
/// Whatever was done to the database, it is back by then.
const PATIENCE: Duration = Duration::from_mins(1);
const ASKED_AGAIN: Duration = Duration::from_millis(5);

pub(crate) struct Stage {
    pub(crate) site: Site,
    /// The database as servers see it, where a proxy stands between.
    served: Option<String>,
    pub(crate) seed: u64,
    /// How many faults to inject.
    pub(crate) count: u64,
    until: Option<Instant>,
    pub(crate) clock: Clock,
    pub(crate) ledgers: Ledgers,
    /// The harness's own ledger.
    pub(crate) ledger: Ledger,
    /// As another process sees the log.
    pub(crate) store: EventStore,
    pub(crate) models: ReadModels,
    databases: Databases,
    key: String,
    urls: watch::Sender<Vec<String>>,
    /// For faults of disk, network and PostgreSQL.
    machine: Option<Machine>,
}

impl Stage {
    pub(crate) async fn new(site: Site, plan: &Plan, fault: Fault, machine: Option<Machine>) -> anyhow::Result<Self> {
        site.make_master_key()?;
        site.done(&["migrate"]).await?;
        let key = site.key("admin").await?;
        let (databases, store, models) = look(&site.database).await?;
        let ledgers = Ledgers::new(&site.folder);
        let ledger = ledgers.open("harness")?;
        Ok(Self {
            seed: plan.seed,
            count: plan.count.unwrap_or(fault.of_a_change()),
            until: plan.time.map(|time| Instant::now() + time),
            clock: Clock::start(),
            ledger,
            ledgers,
            store,
            models,
            databases,
            key,
            urls: watch::Sender::new(vec![]),
            machine,
            served: None,
            site,
        })
    }

    /// A server that is up, clients that load it, readers that follow the log.
    pub(crate) async fn under_load(
        &mut self,
        clients: usize,
        readers: usize,
    ) -> anyhow::Result<(Server, Load, Readers)> {
        let server = self.serve("server", &[]).await?;
        self.up([server.url.as_str()]);
        let load = Load::start(self, clients)?;
        Ok((server, load, Readers::start(self, readers)?))
    }

    pub(crate) fn machine(&mut self) -> anyhow::Result<&mut Machine> {
        self.machine.as_mut().context("this fault has a machine of its own")
    }

    /// Looks at the database where it is now: the old one is gone with its disk.
    pub(crate) async fn reopen(&mut self) -> anyhow::Result<()> {
        self.site.database = self.machine()?.database();
        within(PATIENCE, "close the lost database", self.databases.close()).await?;
        (self.databases, self.store, self.models) = look(&self.site.database).await?;
        Ok(())
    }

    /// Waits until the log has so many more events than now.
    pub(crate) async fn grows(&self, by: i64) -> anyhow::Result<()> {
        let started = Instant::now();
        let mut wanted = None;
        while started.elapsed() < PATIENCE {
            // The database may be on its way back.
            if let Ok(head) = self.store.head().await
                && head.position >= *wanted.get_or_insert(head.position + by)
            {
                return Ok(());
            }
            tokio::time::sleep(ASKED_AGAIN).await;
        }
        anyhow::bail!("nothing was appended for {PATIENCE:?}")
    }

    /// Waits for an append, and writes down how long it took since the fault was over.
    pub(crate) async fn recovers(&self, what: &str, since: Instant, limit: Duration) -> anyhow::Result<()> {
        self.grows(1).await.with_context(|| format!("wait for the {what}"))?;
        let (t, server) = (self.clock.now(), what.to_owned());
        let (millis, limit) = (since.elapsed().as_millis() as u64, limit.as_millis() as u64);
        self.ledger.write(&Line::Ready(Ready { t, server, millis, limit }))
    }

    /// A list that anyone may read is answered.
    pub(crate) async fn reads(&self, url: &str) -> anyhow::Result<()> {
        let list = format!("{url}/open311/v2/requests.json?jurisdiction_id={JURISDICTION}");
        let status = within(PATIENCE, "the list", reqwest::get(list)).await?.context("ask for the list")?.status();
        ensure!(status.is_success(), "the list was answered with {status}");
        Ok(())
    }

    /// Waits until some client was told this code.
    pub(crate) async fn told(&self, code: &str) -> anyhow::Result<()> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            let lines = self.ledgers.lines()?;
            if lines.iter().any(|line| matches!(line, Line::Unknown(unknown) if unknown.why == code)) {
                return Ok(());
            }
            tokio::time::sleep(ASKED_AGAIN).await;
        }
        anyhow::bail!("no client was told {code}")
    }

    /// Whether there is time left for another fault.
    pub(crate) fn goes_on(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until)
    }

    pub(crate) fn client(&self, name: &str, keep_alive: bool) -> anyhow::Result<Client> {
        Client::new(&self.key, keep_alive, self.clock, self.ledgers.open(name)?)
    }

    pub(crate) fn urls(&self) -> Urls {
        self.urls.subscribe()
    }

    /// Tells every client where the servers are.
    pub(crate) fn up<'a>(&self, urls: impl IntoIterator<Item = &'a str>) {
        self.urls.send_replace(urls.into_iter().map(str::to_owned).collect());
    }

    /// Nobody need try.
    pub(crate) fn down(&self) {
        self.up([]);
    }

    /// Starts a server and waits until it is ready; the clients are not told of it.
    pub(crate) async fn serve(&self, name: &str, arguments: &[&str]) -> anyhow::Result<Server> {
        let server = Server::start(&self.served(), name, &[&["serve"], arguments].concat(), &[]).await?;
        self.ready(name, server).await
    }

    /// As [`serve`](Self::serve), in another environment.
    pub(crate) async fn serve_with(&self, name: &str, env: &[(&str, &str)]) -> anyhow::Result<Server> {
        let server = Server::start(&self.served(), name, &["serve"], env).await?;
        self.ready(name, server).await
    }

    async fn ready(&self, name: &str, mut server: Server) -> anyhow::Result<Server> {
        ensure!(server.ready(self.clock, &self.ledger).await?, "{name} ended before it was ready");
        Ok(server)
    }

    pub(crate) fn fault(&self, fault: &str, detail: impl Into<String>) -> anyhow::Result<()> {
        let (t, fault, detail) = (self.clock.now(), fault.to_owned(), detail.into());
        self.ledger.write(&Line::Fault(Injected { t, fault, detail }))
    }

    /// Puts a proxy between servers that are started from now on and PostgreSQL; none where there is no network in between.
    pub(crate) async fn behind_proxy(&mut self) -> anyhow::Result<Option<Proxy>> {
        let Location::Postgres(url) = self.site.database.parse()? else { return Ok(None) };
        let (begins, ends) = db::scratch::authority(&url);
        let host = tokio::net::lookup_host(&url[begins..ends]).await.context("find the server's address")?.next();
        let proxy = Proxy::start(host.context("the server has an address")?, self.seed).await?;
        self.served = Some(format!("{}{}{}", &url[..begins], proxy.address(), &url[ends..]));
        Ok(Some(proxy))
    }

    /// The site as servers see it.
    pub(crate) fn served(&self) -> Site {
        match &self.served {
            Some(database) => self.site.on(database.clone()),
            None => self.site.clone(),
        }
    }

    /// Transactions that were begun, do nothing and hold what they hold.
    pub(crate) async fn idle_transactions(&self) -> anyhow::Result<i64> {
        let server = self.databases.server();
        if server.dialect() == Dialect::Sqlite {
            return Ok(0);
        }
        let sql = "select count(*) from pg_stat_activity
                   where datname = current_database() and state like 'idle in transaction%'";
        let (count,): (i64,) = server.fetch_one(Statement::new(sql, vec![])).await?;
        Ok(count)
    }

    /// Writes down where the read models stand.
    pub(crate) async fn sample_checkpoints(&self) -> anyhow::Result<()> {
        let t = self.clock.now();
        for model in self.models.status().await? {
            let Some(generation) = model.generation else { continue };
            let (model, position) = (model.name.to_owned(), model.position);
            self.ledger.write(&Line::Checkpoint(Checkpoint { t, model, generation, position }))?;
        }
        Ok(())
    }

    /// The faults are over: a server is up, every client becomes definite, readers and read models reach the head, everything
    /// is compared, the server stops as an operator stops it.
    pub(crate) async fn settle(&self, load: Option<Load>, readers: Readers) -> anyhow::Result<()> {
        let server = self.serve("healed", &[]).await?;
        self.settle_on(server, load, readers).await
    }

    /// The same where a server is up already.
    pub(crate) async fn settle_on(&self, server: Server, load: Option<Load>, readers: Readers) -> anyhow::Result<()> {
        self.settle_with(server, vec![], load, readers).await
    }

    /// The same where its read models are others' work.
    pub(crate) async fn settle_with(
        &self,
        server: Server,
        workers: Vec<Server>,
        load: Option<Load>,
        readers: Readers,
    ) -> anyhow::Result<()> {
        self.up([server.url.as_str()]);
        if let Some(load) = load {
            load.finish().await?;
        }
        let head = self.store.head().await?.position;
        readers.finish(head).await?;
        ensure!(self.models.wait_for(head, CATCH_UP).await?, "the read models do not reach position {head}");
        self.down();
        for process in std::iter::once(server).chain(workers) {
            let status = process.stop().await?;
            if !status.success() {
                self.ended("healed", format!("stopped with {status}"))?;
            }
        }
        self.compare(None).await
    }

    /// Compares every row of the read models with a fold of the log: twice, in another zone and language the second time, and
    /// once more after they were all built again.
    pub(crate) async fn compare(&self, stops: Option<&Stops<'_>>) -> anyhow::Result<()> {
        self.compare_once(&[], stops).await?;
        self.compare_once(&[("TZ", "Asia/Kathmandu"), ("LC_ALL", "fr_CA.UTF-8")], stops).await?;
        self.site.run(&["rebuild", "--organisation", ORGANISATION]).await?;
        self.compare_once(&[], stops).await
    }

    async fn compare_once(&self, env: &[(&str, &str)], stops: Option<&Stops<'_>>) -> anyhow::Result<()> {
        let mut command = self.site.command(["check", "--json", "--organisation", ORGANISATION]);
        let output = site::output(command.envs(env.iter().copied())).await?;
        let reports: Value = serde_json::from_slice(&output.stdout).context("read what check printed")?;
        let models = reports[0]["models"].as_array().context("check tells of read models")?;
        for model in models {
            let name = model["name"].as_str().context("a read model has a name")?;
            let tables = model["tables"].as_array().into_iter().flatten();
            let digests = tables.filter_map(|table| Some((text(&table["table"])?, text(&table["digest"])?))).collect();
            self.ledger.write(&Line::Compared(Compared {
                model: name.to_owned(),
                position: model["position"].as_i64().context("a read model has a position")?,
                agrees: model["agrees"] == true,
                stops_at: stops.and_then(|stops| stops(name)),
                stopped_at: model["problem"].as_str().and_then(stopped_at),
                digests,
            }))?;
        }
        Ok(())
    }

    pub(crate) fn ended(&self, server: &str, how: String) -> anyhow::Result<()> {
        let (t, server) = (self.clock.now(), server.to_owned());
        self.ledger.write(&Line::Ended(Ended { t, server, how }))
    }

    /// The verdict of the checker, on ledgers and log alone.
    pub(crate) async fn judge(self) -> anyhow::Result<Report> {
        self.look_for_panics()?;
        within(PATIENCE, "close the database", self.databases.close()).await?;
        let lines = self.ledgers.lines()?;
        let database: Database = self.site.database.parse()?;
        let log = within(LOOK, "verify the log", checker::read_and_verify(&database, ORGANISATION)).await??;
        Ok(checker::check(&History::of(lines), &log))
    }

    fn look_for_panics(&self) -> anyhow::Result<()> {
        let log = match std::fs::read(self.site.log()) {
            Ok(log) => String::from_utf8_lossy(&log).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error).context("read the servers' log"),
        };
        for line in log.lines().filter(|line| line.contains("panicked at")) {
            self.ended("server", line.to_owned())?;
        }
        Ok(())
    }
}

/// Where a read model is expected to have stopped, if it is.
pub(crate) type Stops<'a> = dyn Fn(&str) -> Option<i64> + Sync + 'a;

/// Nothing of a soak waits for ever: what does not come is an error that names it.
pub(crate) async fn within<T>(patience: Duration, what: &str, work: impl Future<Output = T>) -> anyhow::Result<T> {
    tokio::time::timeout(patience, work).await.with_context(|| format!("{what}: given up after {patience:?}"))
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// `it stopped at position 7: …`
fn stopped_at(problem: &str) -> Option<i64> {
    problem.strip_prefix("it stopped at position ")?.split(':').next()?.parse().ok()
}

/// As another process opens it.
async fn look(database: &str) -> anyhow::Result<(Databases, EventStore, ReadModels)> {
    let databases = Databases::open(&database.parse()?).await.context("open the database")?;
    let entry = entry(&databases).await?;
    let store = EventStore::open(databases.log(&entry).await?, &entry).await?;
    let models = ReadModels::open(store.clone(), databases.read(&entry).await?).await?;
    Ok((databases, store, models))
}

async fn entry(databases: &Databases) -> anyhow::Result<LogEntry> {
    let logs = databases.logs().await?;
    logs.into_iter().find(|entry| entry.slug == ORGANISATION).context("the organisation has a log")
}
