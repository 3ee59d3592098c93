//! The log's append.
