//! The doors over HTTP.
//!
//! Reads requests, asks the application or a read model, answers. It decides nothing about the business and
//! knows no database. Start reading at [`router`], where every route states its policy; then `open311` and
//! `native`, one file per verb. Errors have one shape: [`problem`].

#[allow(dead_code)]
mod labels;
#[allow(dead_code)]
pub mod problem;
