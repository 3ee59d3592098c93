//! Exit codes that mean something to a script.

use std::process::ExitCode;

/// The command did its work and found a difference, a broken chain or a missed figure.
pub(crate) const DIFFERENT: u8 = 3;
/// Some rows of an import were rejected; every other row is in.
pub(crate) const REJECTS: u8 = 4;

/// The command could not do its work. (2 is a mistake on the command line, given by the parser.)
const FAILED: u8 = 1;

/// Says the whole chain on standard error, once.
pub(crate) fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("guichet: {error:#}");
    ExitCode::from(FAILED)
}
