//! A site of its own for each story: a fresh database, a master key, keys, and the built program.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use db::{Databases, LogEntry};
use event_store::EventStore;
use projections::ReadModels;
use serde_json::Value;

/// Longer than any read model needs for what a story writes: only one that has stopped takes all of it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a story's site lives, and how to start programs on it.
pub(crate) struct Site {
    pub dir: tempfile::TempDir,
    pub database: String,
}

impl Site {
    pub(crate) fn new(fresh: &testkit::Fresh) -> Self {
        Self::at(|_| match fresh.location() {
            db::Location::Sqlite(folder) => format!("sqlite:{}", folder.display()),
            db::Location::Postgres(url) => url.clone(),
        })
    }

    /// A site on a SQLite folder of its own.
    pub(crate) fn on_sqlite() -> Self {
        Self::at(|dir| format!("sqlite:{}", dir.join("data").display()))
    }

    fn at(database: impl FnOnce(&Path) -> String) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        // Any 32 bytes do: what matters is that the same ones come back after a restart.
        std::fs::write(dir.path().join("master.key"), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
            .expect("write the key");
        let database = database(dir.path());
        Self { dir, database }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_guichet"));
        command
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
            .env("GUICHET_DATABASE", &self.database)
            .env("GUICHET_MASTER_KEY_FILE", self.path("master.key"))
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("run guichet")
    }

    /// Runs a command that must succeed; its standard output.
    #[track_caller]
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(
            output.status.success(),
            "guichet {arguments:?} ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    pub(crate) fn key(&self, organisation: &str, role: &str) -> String {
        self.done(&["key", "create", "--organisation", organisation, "--role", role]).trim().to_owned()
    }

    pub(crate) fn serve(&self, arguments: &[&str]) -> Server {
        self.start("serve", arguments)
    }

    /// A worker of its own, with its door for whoever watches it.
    pub(crate) fn work(&self, arguments: &[&str]) -> Server {
        self.start("work", arguments)
    }

    fn start(&self, command: &str, arguments: &[&str]) -> Server {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.path("server.log"))
            .expect("open the server's log");
        let mut child = self
            .command(&[&[command, "--listen", "127.0.0.1:0"], arguments].concat())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("start guichet");
        let stdout = child.stdout.take().expect("its standard output is piped");
        let mut lines = BufReader::new(stdout).lines();
        let url = lines
            .find_map(|line| line.ok()?.split_whitespace().find(|word| word.starts_with("http://")).map(str::to_owned))
            .unwrap_or_else(|| {
                let log = std::fs::read_to_string(self.path("server.log")).unwrap_or_default();
                panic!("the server did not say where it listens:\n{log}")
            });
        // Keeps the pipe open: a server must not die of a reader that has gone.
        let drain = std::thread::spawn(move || lines.for_each(drop));
        Server { child, url, drain: Some(drain) }
    }
}

/// The directory's entry of an organisation's log.
pub(crate) async fn entry(databases: &Databases, slug: &str) -> LogEntry {
    let logs = databases.logs().await.expect("the directory reads");
    logs.into_iter().find(|entry| entry.slug == slug).unwrap_or_else(|| panic!("{slug} has no log"))
}

/// The read models of an organisation, as another process sees them.
pub(crate) async fn models(databases: &Databases, slug: &str) -> ReadModels {
    let entry = entry(databases, slug).await;
    let log = databases.log(&entry).await.expect("the log opens");
    let store = EventStore::open(log, &entry).await.expect("the log opens");
    let read = databases.read(&entry).await.expect("the read models open");
    ReadModels::open(store, read).await.expect("the read models open")
}

/// Waits until the read models hold all that the log holds, by nobody's work but the server's.
pub(crate) async fn current(databases: &Databases, slug: &str) {
    let models = models(databases, slug).await;
    let head = models.store().head().await.expect("the head reads").position;
    let reached = models.wait_for(head, PATIENCE).await.expect("the checkpoints read");
    assert!(reached, "the read models of {slug} do not reach position {head}: {:?}", models.status().await);
}

/// A running `guichet serve` or `guichet work`, killed and reaped when dropped.
pub(crate) struct Server {
    child: Child,
    pub url: String,
    drain: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    /// kill -9, then waits for the process: nobody else here reaps it.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(drain) = self.drain.take() {
            let _ = drain.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// A client that speaks for one key.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    key: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub etag: Option<String>,
    pub kind: String,
    pub text: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.text))
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }
}

impl Client {
    pub(crate) fn new(server: &Server, key: &str) -> Self {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().expect("a client");
        Self { http, url: server.url.trim_end_matches('/').to_owned(), key: key.to_owned() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.http.get(format!("{}{path}", self.url))).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.http.post(format!("{}{path}", self.url)).json(&body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(self.http.delete(format!("{}{path}", self.url))).await
    }

    pub(crate) async fn form(&self, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
        let mut request = self.http.post(format!("{}{path}", self.url)).form(fields);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        self.try_send(request).await.expect("an answer")
    }

    async fn try_send(&self, request: reqwest::RequestBuilder) -> reqwest::Result<Answer> {
        let request = if self.key.is_empty() { request } else { request.bearer_auth(&self.key) };
        let answer = request.send().await?;
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (etag, kind) = (header("etag"), header("content-type").unwrap_or_default());
        Ok(Answer { status: answer.status().as_u16(), etag, kind, text: answer.text().await? })
    }

    /// A form whose answer may never come: `None` when the connection broke.
    pub(crate) async fn try_form(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Option<Answer> {
        let mut request = self.http.post(format!("{}{path}", self.url)).form(fields);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.try_send(request).await.ok()
    }
}
