//! One row for each request, one for each promise.

use chrono::NaiveDate;
use domain::{
    declaration::Priority,
    ids::RequestId,
    promise::{Basis, Milestone, Release},
    request::Status,
    time::Instant,
    words::Code,
};
use serde::{Deserialize, Serialize};

use crate::row;

/// What became of a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owing {
    Owed,
    Kept,
    Missed,
    Released,
}

row! {
    /// One request, reduced to what figures are made of.
    pub struct RequestFact in request_facts {
        key { request: RequestId }
        channel: Code,
        product: Code,
        precision: Option<Code>,
        area: Option<Code>,
        unit: Option<Code>,
        priority: Priority,
        status: Status,
        opened_at: Instant,
        opened_on: NaiveDate,
        /// Of the first answer; a refusal with a reason and a resolution answer too.
        answered_on: Option<NaiveDate>,
        answered_delay_seconds: Option<i64>,
        /// Absent again while reopened.
        closed_on: Option<NaiveDate>,
        closed_delay_seconds: Option<i64>,
        /// What was done, or why it was refused: a code.
        reason: Option<Code>,
        transfers: i64,
        reopenings: i64,
        source: Option<Code>,
        source_verdict: Option<Code>,
    }
    index closed_delay (closed_delay_seconds, request) where "closed_delay_seconds is not null"
    index answered_delay (answered_delay_seconds, request) where "answered_delay_seconds is not null"
}

row! {
    /// One promise, judged or still owed. The product is the one it was made for.
    pub struct PromiseFact in promise_facts {
        key { request: RequestId, standard: Code, ordinal: i64 }
        milestone: Milestone,
        basis: Basis,
        declaration: Code,
        channel: Code,
        product: Code,
        precision: Option<Code>,
        area: Option<Code>,
        trigger_at: Instant,
        /// As promised first; `due_at` is as moved by pauses and interim answers.
        first_due_at: Instant,
        /// Where a source's own date is the promise: what the standard would have promised.
        computed_due_at: Option<Instant>,
        due_at: Instant,
        due_on: NaiveDate,
        state: Owing,
        settled_at: Option<Instant>,
        extended: bool,
        paused: bool,
        released_for: Option<Release>,
    }
    index due (due_on, request, standard, ordinal)
}
