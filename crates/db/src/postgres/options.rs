//! Where a PostgreSQL is, who asks, and what each session begins with.
//!
//! The URL is libpq's, with what the driver knows of it; `sslmode`, `sslrootcert`, `sslcert` and `sslkey` are read here, since
//! the driver leaves certificates to whoever brings TLS. docs/operations.md lists what an operator may write.

use std::fmt::Write;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::tls::{self, Files, Trust};
use super::{PostgresError, password};

/// What a connection is made with; clones are cheap.
#[derive(Clone)]
pub(crate) struct Options {
    config: Config,
    tls: MakeRustlsConnect,
}

const PATIENCE: Duration = Duration::from_secs(10);
/// A peer that went silent is noticed within a minute; the server does the same on its side.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_RETRIES: u32 = 3;
/// Where servers put their sockets, for a URL without a host.
const SOCKETS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

impl Options {
    pub(super) fn parse(url: &str) -> Result<Self, PostgresError> {
        let (url, encryption) = Encryption::taken_from(url)?;
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
            // The driver names what it does not know, never what it was given.
            let reason = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            PostgresError::Url(reason)
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            let port = config.get_ports().first().copied().unwrap_or(5432);
            let socket = |folder: &&str| std::path::Path::new(folder).join(format!(".s.PGSQL.{port}")).exists();
            match SOCKETS.into_iter().find(|folder| socket(folder)) {
                Some(folder) => config.host_path(folder),
                None => config.host("localhost"),
            };
        }
        if config.get_password().is_none()
            && let Some(password) = password::find(&config)
        {
            config.password(password);
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(PATIENCE);
        }
        config
            .ssl_mode(encryption.mode)
            .application_name("guichet")
            .keepalives_idle(KEEPALIVE_IDLE)
            .keepalives_interval(KEEPALIVE_INTERVAL)
            .keepalives_retries(KEEPALIVE_RETRIES)
            .tcp_user_timeout(KEEPALIVE_IDLE + KEEPALIVE_INTERVAL * KEEPALIVE_RETRIES);
        let tls = MakeRustlsConnect::new(tls::configure(encryption.trust, &encryption.files)?);
        Ok(Self { config, tls })
    }

    /// More settings of the session, over those that are there.
    #[must_use]
    pub(crate) fn with<const N: usize>(mut self, settings: [(&str, &str); N]) -> Self {
        let mut options = self.config.get_options().unwrap_or_default().to_owned();
        for (name, value) in settings {
            // In start-up options a backslash keeps a space from ending the value.
            let value = value.replace('\\', "\\\\").replace(' ', "\\ ");
            let _ = write!(options, " -c {name}={value}"); // writing to a String cannot fail
        }
        self.config.options(options.trim_start());
        self
    }

    pub(super) async fn connect(
        &self,
    ) -> Result<
        (tokio_postgres::Client, impl Future<Output = Result<(), tokio_postgres::Error>> + Send + 'static),
        tokio_postgres::Error,
    > {
        self.config.connect(self.tls.clone()).await
    }
}

/// How the connection is kept private, as libpq reads it.
struct Encryption {
    mode: SslMode,
    trust: Trust,
    files: Files,
}

impl Encryption {
    /// Its parameters, and the URL without them.
    fn taken_from(url: &str) -> Result<(String, Self), PostgresError> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut rest, mut word, mut files) = (Vec::new(), None, Files::default());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decode_str(value).decode_utf8_lossy().into_owned();
            match name {
                "sslmode" => word = Some(value),
                "sslrootcert" => files.roots = Some(value),
                "sslcert" => files.certificate = Some(value),
                "sslkey" => files.key = Some(value),
                _ => rest.push(pair),
            }
        }
        let (mode, trust) = match word.as_deref() {
            Some("disable") => (SslMode::Disable, Trust::Anyone),
            None | Some("prefer") => (SslMode::Prefer, Trust::Anyone),
            // libpq's own rule: a file of authorities that was given is asked.
            Some("require") if files.roots.is_some() => (SslMode::Require, Trust::Authority),
            Some("require") => (SslMode::Require, Trust::Anyone),
            Some("verify-ca") => (SslMode::Require, Trust::Authority),
            Some("verify-full") => (SslMode::Require, Trust::AuthorityAndName),
            Some(_) => {
                let known = "sslmode is one of disable, prefer, require, verify-ca and verify-full";
                return Err(PostgresError::Url(known.to_owned()));
            }
        };
        let url = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
        Ok((url, Self { mode, trust, files }))
    }
}

/// The host a password is looked up for, in the words of a password file.
pub(super) fn host_name(config: &Config) -> String {
    match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        // A socket is `localhost` there.
        Some(Host::Unix(_)) => "localhost".to_owned(),
        None => config.get_hostaddrs().first().map(ToString::to_string).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> Option<(SslMode, Trust)> {
        Encryption::taken_from(url).ok().map(|(_, encryption)| (encryption.mode, encryption.trust))
    }

    #[test]
    fn each_sslmode_asks_for_what_libpq_asks() {
        for (query, expected) in [
            ("", Some((SslMode::Prefer, Trust::Anyone))),
            ("?sslmode=disable", Some((SslMode::Disable, Trust::Anyone))),
            ("?sslmode=require", Some((SslMode::Require, Trust::Anyone))),
            ("?sslmode=require&sslrootcert=ca.pem", Some((SslMode::Require, Trust::Authority))),
            ("?sslmode=verify-ca", Some((SslMode::Require, Trust::Authority))),
            ("?sslmode=verify-full", Some((SslMode::Require, Trust::AuthorityAndName))),
            ("?sslmode=allow", None),
            ("?sslmode=verify_full", None),
        ] {
            assert_eq!(mode(&format!("postgres://u@h/d{query}")), expected, "{query}");
        }
    }

    #[test]
    fn what_is_not_of_tls_is_left_to_the_driver() {
        let (url, taken) =
            Encryption::taken_from("postgres://u@h/d?sslmode=require&connect_timeout=3&sslrootcert=%2Fa%20b")
                .expect("readable");
        assert_eq!(url, "postgres://u@h/d?connect_timeout=3");
        assert_eq!(taken.files.roots.as_deref(), Some("/a b"));
    }

    #[test]
    fn a_refused_url_does_not_repeat_its_password() {
        for url in [
            "postgres://u:secret@h:port/d",
            "postgres://u:secret@h/d?colour=secret",
            "postgres://u:secret@h/d?sslmode=secret",
        ] {
            let error = Options::parse(url).err().expect("not a URL of ours");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_setting_keeps_its_spaces() {
        let options = Options::parse("postgres://u@h/d?options=-c%20geqo=off").expect("readable");
        let options = options.with([("default_transaction_isolation", "read committed"), ("TimeZone", "UTC")]);
        assert_eq!(
            options.config.get_options(),
            Some("-c geqo=off -c default_transaction_isolation=read\\ committed -c TimeZone=UTC")
        );
    }
}
