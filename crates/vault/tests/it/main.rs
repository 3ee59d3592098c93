//! The vault on both databases: what it keeps, what it refuses, what two processes make of it.

mod api_keys;
mod keys;

use db::{Databases, LogEntry};
use vault::{MasterKey, Vault};

/// The vault of a log, made if need be.
async fn vault(databases: &Databases, slug: &str, master: &MasterKey) -> Vault {
    try_vault(databases, slug, master).await.expect("open the vault")
}

async fn try_vault(databases: &Databases, slug: &str, master: &MasterKey) -> Result<Vault, vault::VaultError> {
    let log: LogEntry = databases.create_log(slug).await.expect("name a log");
    let db = databases.vault(&log).await.expect("open the vault's database");
    Vault::open(db, &log, master).await
}
