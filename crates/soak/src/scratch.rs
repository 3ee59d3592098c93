//! A database of a soak's own.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::Context;
use db::{Db, Location, Statement};

pub(crate) struct Scratch {
    /// As the program takes it: `sqlite:DIR` or `postgres://…`.
    pub(crate) database: String,
    from: From,
}

/// What has to go at the end.
enum From {
    Folder(PathBuf),
    Server { url: String, name: String },
}

impl Scratch {
    pub(crate) async fn new(place: &str) -> anyhow::Result<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("guichet_soak_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        Ok(match place.parse()? {
            Location::Sqlite(folder) => {
                // The program may be started elsewhere.
                let folder = std::path::absolute(folder.join(name))?;
                Self { database: format!("sqlite:{}", folder.display()), from: From::Folder(folder) }
            }
            Location::Postgres(url) => {
                administer(&url, &format!("create database {name}")).await?;
                Self { database: with_database(&url, &name), from: From::Server { url, name } }
            }
        })
    }

    /// Without the password that a URL may hold.
    pub(crate) fn name(&self) -> String {
        match &self.from {
            From::Folder(folder) => folder.display().to_string(),
            From::Server { name, .. } => name.clone(),
        }
    }

    pub(crate) async fn remove(self) -> anyhow::Result<()> {
        match self.from {
            From::Folder(folder) => std::fs::remove_dir_all(&folder).context("remove its folder"),
            From::Server { url, name } => administer(&url, &format!("drop database {name} with (force)")).await,
        }
    }
}

async fn administer(url: &str, sql: &str) -> anyhow::Result<()> {
    let server = Db::postgres(url, "public")?;
    let done = server.execute(Statement::new("@table", vec![]).table(sql)).await;
    server.close().await;
    done.map(drop).context("administer the PostgreSQL server")
}

/// The path of a URL is what follows the authority, up to the query.
fn with_database(url: &str, name: &str) -> String {
    let (_, end) = authority(url);
    let query = url.split_once('?').map(|(_, query)| format!("?{query}")).unwrap_or_default();
    format!("{}/{name}{query}", &url[..end])
}

/// Where host and port stand in a URL.
pub(crate) fn authority(url: &str) -> (usize, usize) {
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
