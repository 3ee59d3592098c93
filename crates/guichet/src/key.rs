//! `guichet key`: API keys, each of one organisation and one role.

use std::process::ExitCode;

use anyhow::{Context, bail};
use application::{Clock, SystemClock};
use db::Databases;
use vault::{ApiKey, ApiKeys};

use crate::{
    cli::{KeyCommand, RoleName},
    config::Settings,
    wire,
};

pub(crate) async fn run(command: KeyCommand, settings: &Settings) -> anyhow::Result<ExitCode> {
    let databases = wire::existing(settings).await?;
    let keys = ApiKeys::new(databases.server().clone());
    match command {
        KeyCommand::Create { organisation, role, label } => {
            let key = create(&databases, &keys, &organisation, role, &label).await?;
            println!("{key}");
        }
        KeyCommand::Revoke { prefix } => revoke(&keys, &prefix).await?,
        KeyCommand::List { json } => list(&databases, &keys, json).await?,
    }
    databases.close().await;
    Ok(ExitCode::SUCCESS)
}

/// The whole key, which nobody can show again.
pub(crate) async fn create(
    databases: &Databases,
    keys: &ApiKeys,
    organisation: &str,
    role: RoleName,
    label: &str,
) -> anyhow::Result<String> {
    let logs = databases.logs().await.context("list the organisations")?;
    let Some(log) = logs.iter().find(|log| log.slug == organisation) else {
        let known: Vec<&str> = logs.iter().map(|log| log.slug.as_str()).collect();
        bail!("there is no organisation {organisation}; known: {}", known.join(", "));
    };
    let key = keys.create(log.id, role.role().as_str(), label, SystemClock.now()).await.context("create the key")?;
    Ok(key.reveal().to_owned())
}

async fn revoke(keys: &ApiKeys, given: &str) -> anyhow::Result<()> {
    // `gk_<prefix>`, as the list shows it, or the prefix alone; never more than that on a command line.
    let prefix = given.strip_prefix("gk_").unwrap_or(given);
    if !keys.revoke(prefix, SystemClock.now()).await.context("revoke the key")? {
        bail!("there is no such key, or it was revoked before");
    }
    Ok(())
}

async fn list(databases: &Databases, keys: &ApiKeys, json: bool) -> anyhow::Result<()> {
    let logs = databases.logs().await.context("list the organisations")?;
    let keys = keys.list(None).await.context("list the keys")?;
    let slug = |key: &ApiKey| logs.iter().find(|log| log.id == key.log).map_or("?", |log| log.slug.as_str());
    if json {
        let rows: Vec<serde_json::Value> = keys
            .iter()
            .map(|key| {
                serde_json::json!({
                    "prefix": format!("gk_{}", key.prefix), "organisation": slug(key), "role": key.role, "label": key.label,
                    "created_at": key.created_at, "revoked_at": key.revoked_at,
                })
            })
            .collect();
        println!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(());
    }
    for key in &keys {
        let state = key.revoked_at.map_or_else(String::new, |at| format!("  révoquée {}", at.format("%Y-%m-%d")));
        let created = key.created_at.format("%Y-%m-%d");
        println!("gk_{}  {}  {}  {created}  {}{state}", key.prefix, slug(key), key.role, key.label);
    }
    Ok(())
}

impl RoleName {
    pub(crate) fn role(self) -> application::Role {
        match self {
            Self::Portal => application::Role::Portal,
            Self::Agent => application::Role::Agent,
            Self::Analyst => application::Role::Analyst,
            Self::Auditor => application::Role::Auditor,
            Self::Admin => application::Role::Admin,
        }
    }
}
