//! `/open311/v2/`: Open311 GeoReport v2, XML and JSON. `docs/open311.md` has our answer to what it leaves open.
//!
//! This file is the routing table: who may call what. Reading needs no key.

mod asked;
mod dates;
mod discovery;
pub(crate) mod errors;
mod format;
mod list;
mod params;
mod request;
#[cfg(test)]
pub(crate) mod sample;
mod services;
mod spark;
mod submit;
mod tokens;
mod wanted;

use application::Act::{ReadPublic, SubmitPublic};
use axum::routing::{get, post};

pub(crate) use self::asked::guard;
use crate::router::Route;

pub(crate) fn routes() -> Vec<Route> {
    let may = Route::may;
    vec![
        may(ReadPublic, "GET", "/discovery.xml", get(discovery::discovery)),
        may(ReadPublic, "GET", "/discovery.json", get(discovery::discovery)),
        may(ReadPublic, "GET", "/services.xml", get(services::list)),
        may(ReadPublic, "GET", "/services.json", get(services::list)),
        may(ReadPublic, "GET", "/services/{file}", get(services::definition)),
        may(SubmitPublic, "POST", "/requests.xml", post(submit::submit)),
        may(SubmitPublic, "POST", "/requests.json", post(submit::submit)),
        may(ReadPublic, "GET", "/requests.xml", get(list::list)),
        may(ReadPublic, "GET", "/requests.json", get(list::list)),
        may(ReadPublic, "GET", "/requests/{file}", get(list::one)),
        may(ReadPublic, "GET", "/tokens/{file}", get(tokens::token)),
    ]
}
