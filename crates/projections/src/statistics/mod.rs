//! The figures: volume, backlog, promises by standard, delays (S2-01, S2-11, S2-20, S2-21, S2-34..36).
//!
//! Facts hold one row for each request and one for each promise; percentiles and anything unforeseen are asked of
//! them. Daily cells are the same facts counted, so that a year of figures reads a few thousand rows. All of it is in
//! clear and names nobody: it survives an erasure. The days are local, as the events say them.

mod cells;
mod facts;
pub(crate) mod queries;

use domain::{
    codec::{Event, Recorded},
    ids::RequestId,
    promise::{Event as Promise, PromiseId},
    request::{Event as Request, Status, Submitted},
    time::Local,
    words::Code,
};

pub use self::{
    cells::DailyCell,
    facts::{Owing, PromiseFact, RequestFact},
    queries::{
        Delay, Delays, Dimension, Period, PromiseCount, Selection, Volume, backlog, cells, delays, promises,
        promises_of, volume,
    },
};
use crate::{Projection, Rows};

pub struct Statistics;

impl Projection for Statistics {
    const NAME: &'static str = "statistics";
    const VERSION: i64 = 1;
    const READS: &'static [&'static str] = &["request"];
    type Tables = (Rows<RequestFact>, Rows<PromiseFact>);
    type Cell = DailyCell;

    fn fold((requests, promises): &mut Self::Tables, recorded: &Recorded) {
        let Event::Request(event) = &recorded.body else { return };
        match event {
            Request::Submitted(submitted) => {
                if let Some(request) = RequestId::of_stream(&recorded.stream) {
                    requests.put(opened(request, submitted));
                }
            }
            Request::Promise(event) => fold_promise(promises, requests.only(), event),
            event => requests.each(|fact| follow(fact, event)),
        }
    }

    fn cells((requests, promises): &Self::Tables) -> Vec<DailyCell> {
        requests.iter().flat_map(cells::of_request).chain(promises.iter().map(cells::of_promise)).collect()
    }
}

fn opened(request: RequestId, submitted: &Submitted) -> RequestFact {
    RequestFact {
        request,
        channel: submitted.channel.clone(),
        product: submitted.product.clone(),
        precision: submitted.precision.clone(),
        area: submitted.area.clone(),
        unit: submitted.unit.clone(),
        priority: submitted.priority,
        status: Status::Received,
        opened_at: submitted.at.to_utc(),
        opened_on: submitted.at.date_naive(),
        answered_on: None,
        answered_delay_seconds: None,
        closed_on: None,
        closed_delay_seconds: None,
        reason: None,
        transfers: 0,
        reopenings: 0,
        source: submitted.source.as_ref().map(|source| source.name.clone()),
        source_verdict: submitted.source.as_ref().and_then(|source| source.verdict.clone()),
    }
}

fn follow(fact: &mut RequestFact, event: &Request) {
    let at = event.at();
    let was_open = fact.status.is_open();
    fact.status = fact.status.after(event);
    match (was_open, fact.status.is_open()) {
        (_, true) => (fact.closed_on, fact.closed_delay_seconds) = (None, None),
        (true, false) => {
            (fact.closed_on, fact.closed_delay_seconds) = (Some(at.date_naive()), Some(delay_seconds(fact, at)));
        }
        (false, false) => {}
    }
    match event {
        Request::Triaged { priority, .. } => fact.priority = *priority,
        Request::Assigned { unit, .. } => fact.unit = Some(unit.clone()),
        Request::Transferred { to, .. } => {
            fact.unit = Some(to.clone());
            fact.transfers += 1;
        }
        Request::Recategorised { product, precision, unit, .. } => {
            fact.product = product.clone();
            fact.precision.clone_from(precision);
            if unit.is_some() {
                fact.unit.clone_from(unit);
            }
        }
        Request::Answered { .. } => answer(fact, at),
        Request::Resolved { outcome, .. } => {
            answer(fact, at);
            fact.reason.clone_from(outcome);
        }
        Request::Refused { reason, .. } => {
            answer(fact, at);
            fact.reason = Some(reason.clone());
        }
        Request::Reopened { .. } => {
            fact.reopenings += 1;
            fact.reason = None;
        }
        _ => {}
    }
}

/// The first answer is the one whose delay counts, whatever follows a reopening.
fn answer(fact: &mut RequestFact, at: Local) {
    if fact.answered_on.is_none() {
        (fact.answered_on, fact.answered_delay_seconds) = (Some(at.date_naive()), Some(delay_seconds(fact, at)));
    }
}

fn delay_seconds(fact: &RequestFact, at: Local) -> i64 {
    (at.to_utc() - fact.opened_at).num_seconds()
}

fn fold_promise(rows: &mut Rows<PromiseFact>, request: Option<&RequestFact>, event: &Promise) {
    let Some(request) = request else { return };
    let key = key(request.request, event.id());
    match event {
        Promise::Made { milestone, basis, due, computed_due_at, .. } => {
            let (id, standard, ordinal) = key;
            rows.put(PromiseFact {
                request: id,
                standard,
                ordinal,
                milestone: *milestone,
                basis: *basis,
                declaration: due.declaration.clone(),
                channel: request.channel.clone(),
                product: request.product.clone(),
                precision: request.precision.clone(),
                area: request.area.clone(),
                trigger_at: due.trigger_at.to_utc(),
                first_due_at: due.due_at,
                computed_due_at: *computed_due_at,
                due_at: due.due_at,
                due_on: due.due_on,
                state: Owing::Owed,
                settled_at: None,
                extended: false,
                paused: false,
                released_for: None,
            });
        }
        Promise::Extended { due, .. } => rows.change(&key, |fact| {
            fact.extended = true;
            (fact.due_at, fact.due_on) = (due.due_at, due.due_on);
        }),
        Promise::Resumed { due, .. } => rows.change(&key, |fact| (fact.due_at, fact.due_on) = (due.due_at, due.due_on)),
        Promise::Paused { .. } => rows.change(&key, |fact| fact.paused = true),
        Promise::Kept { at, .. } => rows.change(&key, |fact| settle(fact, Owing::Kept, *at)),
        Promise::Missed { at, .. } => rows.change(&key, |fact| settle(fact, Owing::Missed, *at)),
        Promise::Released { at, reason, .. } => rows.change(&key, |fact| {
            settle(fact, Owing::Released, *at);
            fact.released_for = Some(*reason);
        }),
    }
}

fn settle(fact: &mut PromiseFact, state: Owing, at: Local) {
    fact.state = state;
    fact.settled_at = Some(at.to_utc());
}

fn key(request: RequestId, id: &PromiseId) -> (RequestId, Code, i64) {
    (request, id.standard.clone(), i64::from(id.ordinal))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Cell,
        given::given,
        story::{at, code, due, kept, made, request, resolved, submission, submitted},
    };

    fn fact() -> RequestFact {
        opened(request(1), &submission(request(1), 0))
    }

    #[test]
    fn a_closed_request_has_its_delays() {
        let (requests, _) = given::<Statistics>(request(1), [submitted(request(1), 0), resolved(30)]);
        let next_day = Some(at(30).date_naive());
        let expected = RequestFact {
            status: Status::Resolved,
            answered_on: next_day,
            answered_delay_seconds: Some(30 * 3_600),
            closed_on: next_day,
            closed_delay_seconds: Some(30 * 3_600),
            reason: Some(code("felled")),
            ..fact()
        };
        requests.row((request(1),), expected);
    }

    #[test]
    fn a_reopened_request_is_open_but_was_answered() {
        let events = [submitted(request(1), 0), resolved(30), Request::Reopened { at: at(31) }, resolved(99)];
        let (requests, _) = given::<Statistics>(request(1), events);
        let fact = requests.only().expect("a fact");
        assert_eq!((fact.answered_delay_seconds, fact.closed_delay_seconds), (Some(30 * 3_600), Some(99 * 3_600)));
        assert_eq!(fact.reopenings, 1);
    }

    #[test]
    fn a_request_counts_where_it_was_opened_and_closed_and_its_promise_where_it_is_due() {
        let events = [submitted(request(1), 0), made(0, 0, 480), kept(0, 30, 480), resolved(30)];
        let cells = Statistics::cells(&given::<Statistics>(request(1), events));
        let counted: Vec<_> = cells.iter().map(|cell| (cell.day, cell.standard.as_str(), cell.measures())).collect();
        let (opened_on, closed_on) = (at(0).date_naive(), at(30).date_naive());
        assert_eq!(counted[0], (opened_on, "", vec![1, 0, 0, 0, 0, 0]));
        assert_eq!(counted[1], (closed_on, "", vec![0, 1, 0, 0, 0, 0]));
        assert_eq!(counted[2], (due(480).due_on, "felling-20", vec![0, 0, 0, 1, 0, 0]));
    }

    #[test]
    fn a_promise_keeps_the_product_it_was_made_for() {
        let recategorised = Request::Recategorised {
            at: at(2),
            from: code("tree"),
            product: code("water"),
            precision: None,
            unit: None,
        };
        let events = [submitted(request(1), 0), made(0, 0, 480), recategorised, made(1, 2, 480)];
        let (requests, promises) = given::<Statistics>(request(1), events);
        let products: Vec<_> = promises.iter().map(|promise| promise.product.as_str()).collect();
        assert_eq!(products, ["tree", "water"]);
        assert_eq!(requests.only().map(|fact| fact.product.as_str()), Some("water"));
    }
}
