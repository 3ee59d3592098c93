//! A PostgreSQL of one's own to hurt: killed, restarted, copied to a standby.
//!
//! The postmaster is a direct child. After a kill somebody must reap it and wait for its children, or the next start finds
//! "lock file exists" or a shared memory block still in use; on machines whose first process reaps nobody that is us.

use std::fs::{self, File};
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal, WaitOptions};

use crate::{
    process::{self, last_lines, run},
    stage::within,
    strace::{Injection, Tracer},
};

const PATIENCE: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(5);

/// How the operator stops it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Sessions are ended, a checkpoint is written.
    Fast,
    /// As a crash, but told to every session.
    Immediate,
}

/// A data directory and the server that may run on it.
pub(crate) struct Cluster {
    place: PathBuf,
    log: PathBuf,
    port: u16,
    running: Option<Child>,
    /// Lets its calls fail.
    injury: Option<Tracer>,
}

impl Cluster {
    /// An empty cluster in a folder that does not exist yet, with checksums, that writes its log elsewhere; lines of `settings` go into its configuration.
    pub(crate) fn create(place: &Path, log: &Path, settings: &str) -> anyhow::Result<Self> {
        let cluster = Self::at(place, log)?;
        run(Self::command("initdb", &cluster.place)?.args(["--pgdata", "data", "--username", "postgres"]).args([
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--data-checksums",
            // Small segments: a copy of the disk is made at every power cut.
            "--wal-segsize=4",
        ]))?;
        // Shared memory in files of its own folder: what a server that was killed leaves behind goes with the folder.
        cluster.configure(&format!(
            "max_connections = 100\nshared_buffers = 32MB\ndynamic_shared_memory_type = mmap\nmin_wal_size = 8MB\nmax_wal_size = 32MB\n{settings}"
        ))?;
        Ok(cluster)
    }

    /// A standby of a running cluster, which connects to it as `name`, through `address`.
    pub(crate) fn standby_of(address: SocketAddr, place: &Path, log: &Path, name: &str) -> anyhow::Result<Self> {
        let cluster = Self::at(place, log)?;
        let (host, port) = (address.ip(), address.port());
        let source = format!("host={host} port={port} user=postgres application_name={name}");
        let data = cluster.place.join("data");
        run(Self::command("pg_basebackup", &cluster.place)?
            .args(["--checkpoint=fast", "--write-recovery-conf", "--dbname", &source, "--pgdata"])
            .arg(data))?;
        cluster.configure("")?;
        Ok(cluster)
    }

    fn at(place: &Path, log: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(place).with_context(|| format!("make {}", place.display()))?;
        if let Some(user) = server_user()? {
            std::os::unix::fs::chown(place, Some(user.uid), Some(user.gid)).context("hand over the folder")?;
        }
        Ok(Self { place: place.to_owned(), log: log.to_owned(), port: free_port()?, running: None, injury: None })
    }

    /// Later lines win, so this may be called again.
    fn configure(&self, settings: &str) -> anyhow::Result<()> {
        let port = self.port;
        let file = self.data().join("postgresql.conf");
        let text = format!("{settings}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\nport = {port}\n");
        let mut conf = File::options().append(true).open(&file).with_context(|| format!("open {}", file.display()))?;
        conf.write_all(text.as_bytes()).context("write the configuration")?;
        // The power may go.
        conf.sync_all().context("flush the configuration")
    }

    /// Changes settings, as an operator would: read again at once by a server that runs.
    pub(crate) fn set(&self, settings: &str) -> anyhow::Result<()> {
        self.configure(settings)?;
        match &self.running {
            Some(child) => process::signal(process::pid(child), Signal::HUP),
            None => Ok(()),
        }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.place.join("data")
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    pub(crate) fn url(&self, database: &str) -> String {
        url(self.address(), database)
    }

    /// Starts the server and waits until it takes connections.
    pub(crate) fn start(&mut self) -> anyhow::Result<()> {
        ensure!(self.running.is_none(), "it runs already");
        let log = File::options().create(true).append(true).open(&self.log).context("open the server's log")?;
        let pid_file = self.data().join("postmaster.pid");
        let mut command = Self::command("postgres", &self.place)?;
        command.args(["-D", "data"]).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let mut child = command.spawn().context("start postgres")?;
        let pid = child.id().to_string();
        let started = Instant::now();
        loop {
            // What `pg_ctl --wait` looks at: the first line is its pid, the eighth how far it has come.
            let told = fs::read_to_string(&pid_file).unwrap_or_default();
            let lines: Vec<&str> = told.lines().map(str::trim).collect();
            if lines.first() == Some(&pid.as_str()) && lines.get(7) == Some(&"ready") {
                break;
            }
            if let Some(status) = child.try_wait()? {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                anyhow::bail!("postgres ended with {status}:\n{}", last_lines(&log));
            }
            if started.elapsed() > PATIENCE {
                self.running = Some(child);
                anyhow::bail!("postgres is not ready after {PATIENCE:?}");
            }
            std::thread::sleep(POLL);
        }
        self.running = Some(child);
        Ok(())
    }

    /// Starts it again where it ended by itself, as its operator would.
    pub(crate) fn revive(&mut self) -> anyhow::Result<()> {
        if let Some(child) = &mut self.running {
            if child.try_wait()?.is_none() {
                return Ok(());
            }
            self.running = None;
        }
        self.start()
    }

    pub(crate) fn stop(&mut self, how: Stop) -> anyhow::Result<()> {
        let Some(mut child) = self.running.take() else { return Ok(()) };
        let signal = match how {
            Stop::Fast => Signal::INT,
            Stop::Immediate => Signal::QUIT,
        };
        process::signal(process::pid(&child), signal)?;
        if let Err(error) = process::wait(&mut child) {
            // To be ended by force with the cluster.
            self.running = Some(child);
            return Err(error.context("wait for postgres"));
        }
        Ok(())
    }

    /// kill -9 of the postmaster. Its children notice and go; this waits for them.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.end(|postmaster, _| process::signal(postmaster, Signal::KILL))
    }

    /// Makes a standby the primary and waits until it is one.
    pub(crate) fn promote(&mut self) -> anyhow::Result<()> {
        run(Self::command("pg_ctl", &self.place)?.args(["promote", "--wait", "--silent", "-D", "data"]))
    }

    /// Stops the postmaster and all its children where they stand.
    pub(crate) fn freeze(&self) -> anyhow::Result<()> {
        let Some(child) = &self.running else { return Ok(()) };
        let postmaster = process::pid(child);
        // First the one that could bear more of them.
        process::freeze(&[postmaster])?;
        process::freeze(&process::children(postmaster)?)
    }

    /// Lets system calls of the postmaster, its children and those that it will have fail, until it ends.
    pub(crate) fn injure(&mut self, injection: Injection) -> anyhow::Result<()> {
        let postmaster = process::pid(self.running.as_ref().context("it runs")?);
        let mut all = process::children(postmaster)?;
        all.push(postmaster);
        self.injury = Some(injection.attach(&all)?);
        Ok(())
    }

    /// Ends all of them at once, frozen or not: none runs another instruction, as when the power goes.
    pub(crate) fn vanish(&mut self) -> anyhow::Result<()> {
        self.end(|postmaster, children| {
            children.iter().chain([&postmaster]).try_for_each(|pid| process::signal(*pid, Signal::KILL))
        })
    }

    /// Has the postmaster killed, its children with it or not, and waits for all of them.
    fn end(&mut self, kill: impl FnOnce(Pid, &[Pid]) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let Some(mut child) = self.running.take() else { return Ok(()) };
        let postmaster = process::pid(&child);
        // Orphans come to us, and only those that were ours can be waited for.
        rustix::process::set_child_subreaper(Some(rustix::process::getpid())).context("become a sub-reaper")?;
        // It could bear children meanwhile; whether or not it stands, it goes.
        let frozen = process::freeze(&[postmaster]);
        let children = process::children(postmaster)?;
        kill(postmaster, &children)?;
        // Whoever traces the dead is told of it first, and would have to pass it on.
        self.injury = None;
        process::wait(&mut child).context("wait for postgres")?;
        reap(&children, PATIENCE)?;
        frozen
    }

    /// Its folder has another name now.
    pub(crate) fn moved(&mut self, place: &Path) {
        place.clone_into(&mut self.place);
    }

    /// One of PostgreSQL's programs, as the user it wants, with `folder` to work in.
    fn command(program: &str, folder: &Path) -> anyhow::Result<Command> {
        let program = programs()?.join(program);
        let mut command = match server_user()? {
            Some(user) => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid", &user.uid.to_string(), "--regid", &user.gid.to_string(), "--clear-groups"]);
                command.arg(program);
                command
            }
            None => Command::new(program),
        };
        command.current_dir(folder).stdin(Stdio::null());
        Ok(command)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.vanish(); // nobody reads it any more
    }
}

/// How programs find a server.
pub(crate) fn url(address: SocketAddr, database: &str) -> String {
    format!("postgres://postgres@{address}/{database}")
}

/// Ends every session of a server but the one that asks; how many there were.
pub(crate) async fn terminate_backends(url: &str) -> anyhow::Result<i64> {
    let kill = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                where backend_type = 'client backend' and pid <> pg_backend_pid()";
    ask(url, kill).await
}

/// One number, through a connection of its own.
pub(crate) async fn ask(url: &str, sql: &str) -> anyhow::Result<i64> {
    let connecting = tokio_postgres::connect(url, tokio_postgres::NoTls);
    let (client, connection) = within(PATIENCE, "a connection", connecting).await?.context("connect")?;
    let connection = tokio::spawn(connection);
    let row = within(PATIENCE, sql, client.query_one(sql, &[])).await?.context("ask PostgreSQL")?;
    drop(client);
    let _ = connection.await; // the answer is here
    Ok(row.try_get(0)?)
}

fn reap(orphans: &[Pid], patience: Duration) -> anyhow::Result<()> {
    let started = Instant::now();
    for orphan in orphans {
        loop {
            match rustix::process::waitpid(Some(*orphan), WaitOptions::NOHANG) {
                Ok(Some(_)) | Err(rustix::io::Errno::CHILD) => break,
                Err(error) => return Err(error).context("wait for an orphan"),
                Ok(None) if started.elapsed() > patience => anyhow::bail!("a child of postgres outlived it"),
                Ok(None) => std::thread::sleep(POLL),
            }
        }
    }
    Ok(())
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Where the server's programs lie: behind the path, where a link may stand for one of them alone, or where Debian puts them.
#[expect(clippy::disallowed_methods, reason = "where programs lie is the machine's word, no setting of ours")]
fn programs() -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).filter_map(|folder| folder.join("initdb").canonicalize().ok());
    let mut found: Vec<PathBuf> = on_path.filter_map(|program| Some(program.parent()?.to_owned())).collect();
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|folders| folders.flatten().map(|folder| folder.path().join("bin")).collect())
        .unwrap_or_default();
    versions.sort_by_key(|folder| version(folder));
    found.extend(versions.into_iter().rev());
    let whole =
        |folder: &PathBuf| ["initdb", "postgres", "pg_basebackup"].iter().all(|program| folder.join(program).exists());
    found.into_iter().find(whole).context("there is no PostgreSQL server here: install postgresql")
}

fn version(folder: &Path) -> u32 {
    folder.parent().and_then(Path::file_name).and_then(|name| name.to_str()?.parse().ok()).unwrap_or(0)
}

struct User {
    uid: u32,
    gid: u32,
}

/// PostgreSQL refuses to run as root; everybody else runs it as themselves.
fn server_user() -> anyhow::Result<Option<User>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").context("read the users")?;
    let find = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some(User { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
    };
    find("postgres").or_else(|| find("nobody")).context("neither postgres nor nobody is a user here").map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn execute(url: &str, sql: &str) -> anyhow::Result<()> {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
        let connection = tokio::spawn(connection);
        client.batch_execute(sql).await?;
        drop(client);
        let _ = connection.await; // it is done
        Ok(())
    }

    #[tokio::test]
    async fn a_cluster_comes_back_after_each_end() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // The server's user must be able to reach it.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(folder.path(), open).expect("open the folder");
        let log = folder.path().join("postgres.log");
        let mut primary = Cluster::create(&folder.path().join("primary"), &log, "").expect("make a cluster");
        primary.start().expect("start");
        let url = primary.url("postgres");
        execute(&url, "create table t (n int8)").await.expect("make a table");
        for end in [Cluster::kill, |cluster| cluster.stop(Stop::Fast), |cluster| cluster.stop(Stop::Immediate)]
            as [fn(&mut Cluster) -> anyhow::Result<()>; 3]
        {
            execute(&url, "insert into t values (1)").await.expect("insert");
            end(&mut primary).expect("end it");
            primary.start().expect("start again");
        }
        let mut standby =
            Cluster::standby_of(primary.address(), &folder.path().join("standby"), &log, "standby").expect("copy it");
        standby.start().expect("start the standby");
        primary.set("synchronous_standby_names = 'standby'").expect("wait for the standby");
        execute(&url, "insert into t values (1)").await.expect("insert");
        primary.kill().expect("kill the primary");
        standby.promote().expect("promote the standby");
        assert_eq!(ask(&standby.url("postgres"), "select count(*) from t").await.expect("count"), 4);
    }
}
