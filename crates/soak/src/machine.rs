//! A machine of a soak's own: a disk that can lose its power or its room, a PostgreSQL that can be killed, the network between.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use db::Location;
use tempfile::TempDir;

use crate::{Plan, image::Disk, postgres::Cluster, proxy::Proxy, scenario::Needs};

const PRIMARY: &str = "primary";
const MEGABYTES_FOR_SQLITE: u32 = 192;
const MEGABYTES_FOR_POSTGRES: u32 = 224;

/// Whatever of it is there is gone when it is dropped: the proxy first, the folder last.
pub(crate) struct Machine {
    pub(crate) proxy: Option<Proxy>,
    pub(crate) cluster: Option<Cluster>,
    pub(crate) disk: Option<Disk>,
    folder: TempDir,
    /// Of logs, which outlive the machine.
    logs: PathBuf,
}

impl Machine {
    /// `place` says which database is meant; a cluster of the machine's own takes the place of a server that is named there.
    pub(crate) async fn new(plan: &Plan, needs: Needs, logs: &Path) -> anyhow::Result<Self> {
        let place: Location = plan.database.parse()?;
        let folder = match &place {
            Location::Sqlite(folder) => {
                fs::create_dir_all(folder)?;
                tempfile::Builder::new().prefix("guichet-soak-").tempdir_in(folder)?
            }
            Location::Postgres(_) => tempfile::Builder::new().prefix("guichet-soak-").tempdir()?,
        };
        // PostgreSQL runs as another user than root.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).context("open the folder")?;
        let mut machine = Self { proxy: None, cluster: None, disk: None, folder, logs: logs.to_owned() };
        let on_postgres = matches!(place, Location::Postgres(_));
        if let Some(times) = needs.disk {
            let megabytes = times * if on_postgres { MEGABYTES_FOR_POSTGRES } else { MEGABYTES_FOR_SQLITE };
            machine.disk = Some(Disk::create(&machine.folder.path().join("disk"), megabytes).context("make a disk")?);
        }
        if on_postgres {
            // Where no power is cut, what a process wrote outlives it in the page cache, flushed or not; and there is room for all
            // that a standby, which starts late on a busy machine, has not read yet.
            let durable = if needs.disk.is_some() { "fsync = on" } else { "fsync = off\nwal_keep_size = 1GB" };
            let settings = format!("{durable}\n{}", plan.postgres_settings.join("\n"));
            let mut cluster = Cluster::create(&machine.ground().join(PRIMARY), &machine.log(), &settings)
                .context("make a cluster")?;
            cluster.start()?;
            if needs.proxy {
                machine.proxy = Some(Proxy::start(cluster.address(), plan.seed).await?);
            }
            machine.cluster = Some(cluster);
        }
        Ok(machine)
    }

    /// What PostgreSQL says, all clusters in one.
    pub(crate) fn log(&self) -> PathBuf {
        self.logs.join("postgres.log")
    }

    /// Where databases are made.
    pub(crate) fn ground(&self) -> PathBuf {
        self.disk.as_ref().map_or_else(|| self.folder.path().to_owned(), Disk::folder)
    }

    /// The power went: what its disk held lies elsewhere now, and a cluster is started there.
    pub(crate) fn restart(&mut self) -> anyhow::Result<()> {
        let place = self.ground().join(PRIMARY);
        let Some(cluster) = &mut self.cluster else { return Ok(()) };
        cluster.moved(&place);
        cluster.start()
    }

    /// What no disk of the machine loses.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The database as the program under test reaches it.
    pub(crate) fn database(&self) -> String {
        match (&self.cluster, &self.proxy) {
            (Some(_), Some(proxy)) => crate::postgres::url(proxy.address(), "postgres"),
            (Some(cluster), None) => cluster.url("postgres"),
            (None, _) => format!("sqlite:{}", self.ground().join("data").display()),
        }
    }

    pub(crate) fn cluster(&mut self) -> anyhow::Result<&mut Cluster> {
        self.cluster.as_mut().context("this fault is one of PostgreSQL's: name a postgres:// database")
    }

    pub(crate) fn disk(&mut self) -> anyhow::Result<&mut Disk> {
        self.disk.as_mut().context("the machine has a disk")
    }

    pub(crate) fn proxy(&self) -> anyhow::Result<&Proxy> {
        self.proxy.as_ref().context("the machine has a proxy")
    }
}
