//! Where the databases are.

use std::path::PathBuf;
use std::str::FromStr;

use crate::DbError;

/// A directory of SQLite files, or a PostgreSQL database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    Sqlite(PathBuf),
    Postgres(String),
}

/// Which of the two a statement is about to meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
    Postgres,
}

impl Location {
    /// As `--database` takes it, with the password that a URL may hold.
    pub fn url(&self) -> String {
        match self {
            Self::Sqlite(folder) => format!("sqlite:{}", folder.display()),
            Self::Postgres(url) => url.clone(),
        }
    }
}

impl FromStr for Location {
    type Err = DbError;

    fn from_str(text: &str) -> Result<Self, DbError> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(text.to_owned()));
        }
        match text.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path)) {
            Some(path) if !path.is_empty() => Ok(Self::Sqlite(PathBuf::from(path))),
            // The scheme alone is repeated: what follows may hold a password.
            _ => Err(DbError::Location(text.split(':').next().unwrap_or_default().to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_schemes_are_read() {
        assert_eq!("sqlite:data".parse::<Location>().ok(), Some(Location::Sqlite("data".into())));
        assert_eq!("sqlite:///var/x".parse::<Location>().ok(), Some(Location::Sqlite("/var/x".into())));
        let url = "postgres://u@h/d";
        assert_eq!(url.parse::<Location>().ok(), Some(Location::Postgres(url.into())));
    }

    #[test]
    fn a_refused_location_does_not_repeat_its_password() {
        let error = "mysql://user:secret@host".parse::<Location>().expect_err("mysql is not ours");
        assert!(!error.to_string().contains("secret"));
    }
}
