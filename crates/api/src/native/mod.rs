//! `/api/v1/`: for agents' tools and CRM integrations. JSON in and out, problem+json, opaque tokens.
//!
//! This file is the routing table: who may call what. Every route needs a key, which fixes the organisation.

#[expect(clippy::unnecessary_wraps, reason = "a verb that needs no word has the shape of one that does")]
mod acts;
pub(crate) mod asked;
mod csv;
mod declarations;
mod lists;
mod me;
mod opened;
mod people;
mod personal;
mod planning;
mod queue;
mod requests;
mod statistics;
mod submit;
mod view;
mod work;

use application::Act::{
    MergePersons, OpenPersonal, ReadMatters, ReadPersons, ReadPublic, ReadStatistics, Submit, WorkRequest,
};
use axum::routing::{delete, get, post};

use self::work::{by_delete, by_post};
use crate::router::Route;

pub(crate) fn routes() -> Vec<Route> {
    let may = Route::may;
    vec![
        may(Submit, "POST", "/requests", post(submit::submit)),
        may(ReadMatters, "GET", "/requests", get(requests::list)),
        may(ReadMatters, "GET", "/requests/{id}", get(requests::show)),
        may(ReadMatters, "GET", "/requests/{id}/timeline", get(requests::timeline)),
        may(OpenPersonal, "GET", "/requests/{id}/personal", get(personal::open)),
        may(WorkRequest, "POST", "/requests/{id}/triage", by_post(acts::triage)),
        may(WorkRequest, "POST", "/requests/{id}/assignment", by_post(acts::assign)),
        may(WorkRequest, "POST", "/requests/{id}/transfer", by_post(acts::transfer)),
        may(WorkRequest, "POST", "/requests/{id}/start", by_post(acts::start)),
        may(WorkRequest, "POST", "/requests/{id}/waiting", by_post(acts::wait)),
        may(WorkRequest, "POST", "/requests/{id}/citizen-reply", by_post(acts::citizen_replied)),
        may(WorkRequest, "POST", "/requests/{id}/notes", by_post(acts::note)),
        may(WorkRequest, "POST", "/requests/{id}/interim-answers", by_post(acts::answer_interim)),
        may(WorkRequest, "POST", "/requests/{id}/answer", by_post(acts::answer)),
        may(WorkRequest, "POST", "/requests/{id}/resolution", by_post(acts::resolve)),
        may(WorkRequest, "POST", "/requests/{id}/refusal", by_post(acts::refuse)),
        may(WorkRequest, "POST", "/requests/{id}/reopening", by_post(acts::reopen)),
        may(WorkRequest, "POST", "/requests/{id}/cancellation", by_post(acts::cancel)),
        may(WorkRequest, "POST", "/requests/{id}/category", by_post(acts::recategorise)),
        may(WorkRequest, "POST", "/requests/{id}/duplicate-of", post(work::link)),
        may(WorkRequest, "DELETE", "/requests/{id}/duplicate-of", by_delete(acts::unlink)),
        may(WorkRequest, "POST", "/requests/{id}/programme", by_post(acts::plan)),
        may(WorkRequest, "POST", "/requests/{id}/released-text", by_post(acts::release_text)),
        may(ReadPersons, "POST", "/persons/search", post(people::search)),
        may(ReadPersons, "GET", "/persons/{id}/history", get(people::history)),
        may(MergePersons, "POST", "/persons/{id}/merge", post(people::merge)),
        may(MergePersons, "DELETE", "/persons/{id}/merge", delete(people::unmerge)),
        may(ReadMatters, "GET", "/queue", get(queue::list)),
        may(ReadMatters, "GET", "/planning-base", get(planning::list)),
        may(ReadStatistics, "GET", "/statistics/volume", get(statistics::volume)),
        may(ReadStatistics, "GET", "/statistics/volume.csv", get(statistics::volume)),
        may(ReadStatistics, "GET", "/statistics/backlog", get(statistics::backlog)),
        may(ReadStatistics, "GET", "/statistics/backlog.csv", get(statistics::backlog)),
        may(ReadStatistics, "GET", "/statistics/promises", get(statistics::promises)),
        may(ReadStatistics, "GET", "/statistics/promises.csv", get(statistics::promises)),
        may(ReadStatistics, "GET", "/statistics/delays", get(statistics::delays)),
        may(ReadStatistics, "GET", "/statistics/delays.csv", get(statistics::delays)),
        may(ReadStatistics, "GET", "/statistics/cells", get(statistics::cells)),
        may(ReadStatistics, "GET", "/statistics/cells.csv", get(statistics::cells)),
        may(ReadPublic, "GET", "/declarations", get(declarations::list)),
        may(ReadPublic, "GET", "/me", get(me::me)),
    ]
}
