//! Stories over HTTP against the built program; see `it/`.
