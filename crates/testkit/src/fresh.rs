//! A migrated database that nobody else uses and that is gone afterwards.

use std::ops::Deref;
use std::sync::atomic::{AtomicU32, Ordering};

use db::scratch::{administer, with_database};
use db::{Databases, Db, Dialect, Location, Statement};
use tempfile::TempDir;
use tokio::runtime::Builder;
use tokio::sync::OnceCell;

/// Hands out [`Databases`]; clones share them.
#[derive(Clone)]
pub struct Fresh {
    databases: Databases,
    location: Location,
}

impl Deref for Fresh {
    type Target = Databases;

    fn deref(&self) -> &Databases {
        &self.databases
    }
}

impl Fresh {
    /// Where it lives, to open it again as another process would.
    pub fn location(&self) -> &Location {
        &self.location
    }

    pub fn dialect(&self) -> Dialect {
        self.databases.server().dialect()
    }

    /// The same databases through connections of their own: a second process, as far as the database can tell.
    pub async fn another_process(&self) -> Databases {
        Databases::open(&self.location).await.expect("open the databases again")
    }
}

/// Runs one test on one engine, and removes its database even when the test fails.
pub fn run<F>(dialect: Dialect, test: impl FnOnce(Fresh) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("start a runtime");
    match dialect {
        Dialect::Sqlite => {
            let directory = TempDir::with_prefix("guichet-test-").expect("make a temporary directory");
            runtime.block_on(on(Location::Sqlite(directory.path().to_owned()), test));
        }
        Dialect::Postgres => {
            let (name, location) = runtime.block_on(create());
            let outcome =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| runtime.block_on(on(location, test))));
            runtime.block_on(admin(&format!("drop database if exists {name} with (force)")));
            if let Err(panic) = outcome {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

async fn on<F>(location: Location, test: impl FnOnce(Fresh) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let databases = Databases::open(&location).await.expect("open the test's databases");
    let outcome = tokio::spawn(test(Fresh { databases: databases.clone(), location })).await;
    databases.close().await;
    if let Err(error) = outcome {
        std::panic::resume_unwind(error.into_panic());
    }
}

/// Copies the migrated template: a tenth of the time that migrating takes.
async fn create() -> (String, Location) {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let template = template().await;
    let name = format!("guichet_test_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
    admin(&format!("drop database if exists {name} with (force)")).await;
    admin(&format!("create database {name} template {template}")).await;
    let location = at(&name);
    (name, location)
}

/// Made once per server and set of migrations: under a name of its own, then renamed, so that racing test binaries agree.
async fn template() -> &'static str {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    TEMPLATE
        .get_or_init(|| async {
            let template = format!("guichet_template_{:016x}", db::fingerprint());
            let server = Db::postgres(&server(), "public").expect("GUICHET_TEST_POSTGRES is a postgres:// URL");
            let exists = "select 1 from pg_database where datname = $1";
            let found = server
                .fetch_optional::<(i64,)>(Statement::new(exists, vec![template.as_str().into()]))
                .await
                .expect("reach the server that GUICHET_TEST_POSTGRES names");
            if found.is_none() {
                let making = format!("{template}_{}", std::process::id());
                admin(&format!("create database {making}")).await;
                let databases = Databases::open(&at(&making)).await.expect("migrate the template");
                databases.close().await;
                let rename = Statement::new("alter database @table", vec![]);
                let renamed = server.execute(rename.table(&format!("{making} rename to {template}"))).await;
                if renamed.is_err() {
                    admin(&format!("drop database {making} with (force)")).await; // another binary was faster
                }
            }
            server.close().await;
            template
        })
        .await
}

async fn admin(sql: &str) {
    administer(&server(), sql).await.expect("administer the server that GUICHET_TEST_POSTGRES names");
}

fn server() -> String {
    #[allow(clippy::disallowed_methods, reason = "tests have no configuration file")]
    std::env::var("GUICHET_TEST_POSTGRES").expect(
        "GUICHET_TEST_POSTGRES must name a PostgreSQL server where databases may be created, \
         such as postgres://postgres@127.0.0.1:5432/postgres; ./test starts one and sets it",
    )
}

fn at(database: &str) -> Location {
    Location::Postgres(with_database(&server(), database))
}
