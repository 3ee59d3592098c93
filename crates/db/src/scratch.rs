//! Databases that are made for a while: for a bench, a soak, a test.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{Db, DbError, Location, Statement};

/// A new folder in the folder of a place, or a new database on its server. There until [`Scratch::remove`].
pub struct Scratch {
    pub location: Location,
    from: From,
}

/// What has to go at the end.
enum From {
    Folder(PathBuf),
    Server { url: String, name: String },
}

impl Scratch {
    /// Its name begins with `prefix`, and no other of this machine has it.
    pub async fn new(place: &Location, prefix: &str) -> Result<Self, DbError> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("{prefix}_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        Ok(match place {
            Location::Sqlite(folder) => {
                // It may be told to a process that is started elsewhere.
                let folder = folder.join(name);
                let folder = std::path::absolute(&folder).map_err(|error| DbError::Directory(folder, error))?;
                Self { location: Location::Sqlite(folder.clone()), from: From::Folder(folder) }
            }
            Location::Postgres(url) => {
                administer(url, &format!("create database {name}")).await?;
                let location = Location::Postgres(with_database(url, &name));
                Self { location, from: From::Server { url: url.clone(), name } }
            }
        })
    }

    /// Without the password that a URL may hold.
    pub fn name(&self) -> String {
        match &self.from {
            From::Folder(folder) => folder.display().to_string(),
            From::Server { name, .. } => name.clone(),
        }
    }

    pub async fn remove(self) -> Result<(), DbError> {
        match self.from {
            From::Folder(folder) => {
                let removed = tokio::fs::remove_dir_all(&folder).await;
                removed.map_err(|error| DbError::Directory(folder, error))
            }
            From::Server { url, name } => administer(&url, &format!("drop database {name} with (force)")).await,
        }
    }
}

/// Runs one statement on a PostgreSQL server, outside of any schema of ours.
pub async fn administer(url: &str, sql: &str) -> Result<(), DbError> {
    let server = Db::postgres(url, "public")?;
    let done = server.execute(Statement::new("@table", vec![]).table(sql)).await;
    server.close().await;
    done.map(drop)
}

/// A server's URL with another database: the path is what follows the authority, up to the query.
pub fn with_database(url: &str, name: &str) -> String {
    let (_, end) = authority(url);
    let query = url.split_once('?').map(|(_, query)| format!("?{query}")).unwrap_or_default();
    format!("{}/{name}{query}", &url[..end])
}

/// Where host and port stand in a URL.
pub fn authority(url: &str) -> (usize, usize) {
    let begins = url.find("://").map_or(0, |at| at + 3);
    let ends = url[begins..].find(['/', '?']).map_or(url.len(), |at| begins + at);
    (url[begins..ends].rfind('@').map_or(begins, |at| begins + at + 1), ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_keeps_all_but_its_database() {
        for (url, with) in [
            ("postgres://u@h:1/postgres", "postgres://u@h:1/x"),
            ("postgres://u:p@h", "postgres://u:p@h/x"),
            ("postgres://h/d?sslmode=disable", "postgres://h/x?sslmode=disable"),
        ] {
            assert_eq!(with_database(url, "x"), with);
        }
    }
}
