//! Why the vault could not do what it was asked.

/// The storage's own words stay in the source.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The keys of this log were wrapped by another master key; nothing was read or written.
    #[error("the master key is not the one that wrapped the keys of {log}")]
    WrongMasterKey { log: String },
    /// A key does not unwrap although the master key is right: the row was altered.
    #[error("a wrapped key was altered")]
    Altered,
    /// The subject was erased: nothing is sealed for it any more.
    #[error("the subject's key was destroyed")]
    Destroyed,
    #[error("too many new keys are waiting to be written")]
    Overloaded,
    /// The task that writes keys ended; the process is stopping.
    #[error("the vault is closed")]
    Closed,
    #[error("the vault's storage failed")]
    Storage(#[source] std::sync::Arc<db::DbError>),
}

impl From<db::DbError> for VaultError {
    fn from(error: db::DbError) -> Self {
        Self::Storage(std::sync::Arc::new(error))
    }
}
