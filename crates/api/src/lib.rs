//! The doors over HTTP.
//!
//! Reads requests, asks the application or a read model, answers. It decides nothing about the business and
//! knows no database. Start reading at [`router`](mod@router), where every route states its policy; then `open311`
//! and `native`, one file per verb. Errors have one shape, `problem`, which each door writes in its own form.

mod router;
mod state;

mod first_page;
mod native;
mod open311;
mod pages;

mod emergency;
mod fields;
mod labels;
mod policy;
mod problem;
mod refused;

pub use router::{native_routes, open311_routes, operator_router, router};
pub use state::{ApiState, Told};
