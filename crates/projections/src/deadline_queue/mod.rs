//! Which promises are still owed, and by when. Read by team leads every morning.
//!
//! A promise leaves the queue when it is settled; a planned request is owed no date and is not here (S2-25, A16).
//! Overdue is asked, never written: `due_at <= now`. A paused promise keeps its `due_at` and is flagged.

pub(crate) mod queries;

use domain::{
    codec::{Event, Recorded},
    declaration::Priority,
    ids::RequestId,
    promise::{Basis, Due, Event as Promise, Milestone, PromiseId},
    request::Event as Request,
    time::Instant,
    words::Code,
};

pub use self::queries::{Cursor, Filter, Window, list};
use crate::{Memory, NoCells, Projection, Rows, row};

row! {
    /// One promise still owed.
    pub struct Owed in deadline_queue {
        key { request: RequestId, standard: Code, ordinal: i64 }
        milestone: Milestone,
        basis: Basis,
        unit: Option<Code>,
        product: Code,
        precision: Option<Code>,
        area: Option<Code>,
        priority: Priority,
        trigger_at: Instant,
        /// Exclusive: the milestone must come before it.
        due_at: Instant,
        /// The last local day on which it can be kept.
        due_on: chrono::NaiveDate,
        extended: bool,
        paused: bool,
    }
    index due (due_at, request, standard, ordinal)
    index unit (unit, due_at, request, standard, ordinal)
    index product (product, due_at, request, standard, ordinal)
    index paused (due_at, request, standard, ordinal) where "paused"
}

/// What a promise of this request is about; a promise itself does not say.
#[derive(Debug, Clone, PartialEq)]
pub struct Matter {
    unit: Option<Code>,
    product: Code,
    precision: Option<Code>,
    area: Option<Code>,
    priority: Priority,
}

pub struct DeadlineQueue;

impl Projection for DeadlineQueue {
    const NAME: &'static str = "deadline_queue";
    const VERSION: i64 = 2;
    const READS: &'static [&'static str] = &["request"];
    type Tables = (Rows<Owed>, Memory<Matter>);
    type Cell = NoCells;

    fn looks_back(recorded: &Recorded) -> bool {
        matches!(recorded.body, Event::Request(Request::Promise(Promise::Made { .. })))
    }

    fn fold((owed, matter): &mut Self::Tables, recorded: &Recorded) {
        let Event::Request(event) = &recorded.body else { return };
        let Some(request) = RequestId::of_stream(&recorded.stream) else { return };
        match event {
            Request::Submitted(submitted) => matter.learn(Matter {
                unit: submitted.unit.clone(),
                product: submitted.product.clone(),
                precision: submitted.precision.clone(),
                area: submitted.area.clone(),
                priority: submitted.priority,
            }),
            Request::Triaged { priority, .. } => {
                matter.change(|matter| matter.priority = *priority);
                owed.each(|owed| owed.priority = *priority);
            }
            Request::Assigned { unit, .. } | Request::Transferred { to: unit, .. } => hand_to(owed, matter, unit),
            Request::Recategorised { product, precision, unit, .. } => {
                // Open promises were released before; the new product's are made after this.
                matter.change(|matter| {
                    matter.product = product.clone();
                    matter.precision.clone_from(precision);
                });
                if let Some(unit) = unit {
                    hand_to(owed, matter, unit);
                }
            }
            Request::Promise(event) => fold_promise(owed, request, matter.get(), event),
            _ => {}
        }
    }
}

fn hand_to(owed: &mut Rows<Owed>, matter: &mut Memory<Matter>, unit: &Code) {
    matter.change(|matter| matter.unit = Some(unit.clone()));
    owed.each(|owed| owed.unit = Some(unit.clone()));
}

fn fold_promise(rows: &mut Rows<Owed>, request: RequestId, matter: Option<&Matter>, event: &Promise) {
    let key = key(request, event.id());
    match event {
        Promise::Made { milestone, basis, due, .. } => {
            let Some(matter) = matter else { return };
            let (request, standard, ordinal) = key;
            rows.put(Owed {
                request,
                standard,
                ordinal,
                milestone: *milestone,
                basis: *basis,
                unit: matter.unit.clone(),
                product: matter.product.clone(),
                precision: matter.precision.clone(),
                area: matter.area.clone(),
                priority: matter.priority,
                trigger_at: due.trigger_at.to_utc(),
                due_at: due.due_at,
                due_on: due.due_on,
                extended: false,
                paused: false,
            });
        }
        Promise::Extended { due, .. } => rows.change(&key, |owed| {
            owed.extended = true;
            move_to(owed, due);
        }),
        Promise::Resumed { due, .. } => rows.change(&key, |owed| {
            owed.paused = false;
            move_to(owed, due);
        }),
        Promise::Paused { .. } => rows.change(&key, |owed| owed.paused = true),
        Promise::Kept { .. } | Promise::Missed { .. } | Promise::Released { .. } => rows.remove(&key),
    }
}

fn key(request: RequestId, id: &PromiseId) -> (RequestId, Code, i64) {
    (request, id.standard.clone(), i64::from(id.ordinal))
}

fn move_to(owed: &mut Owed, due: &Due) {
    owed.due_at = due.due_at;
    owed.due_on = due.due_on;
}

#[cfg(test)]
mod tests {
    use domain::promise::Release;

    use super::*;
    use crate::{
        given::given,
        story::{at, code, due, kept, made, paused, promise, released, request, submitted},
    };

    fn owed(due_hours: i64) -> Owed {
        Owed {
            request: request(1),
            standard: code("felling-20"),
            ordinal: 0,
            milestone: Milestone::Resolution,
            basis: Basis::Standard,
            unit: Some(code("parks")),
            product: code("tree"),
            precision: Some(code("felling")),
            area: Some(code("limoilou")),
            priority: Priority::Normal,
            trigger_at: at(0).to_utc(),
            due_at: due(due_hours).due_at,
            due_on: due(due_hours).due_on,
            extended: false,
            paused: false,
        }
    }

    fn first() -> (RequestId, Code, i64) {
        (request(1), code("felling-20"), 0)
    }

    #[test]
    fn a_promise_stands_with_what_its_request_is_about() {
        let (queue, _) = given::<DeadlineQueue>(request(1), [submitted(request(1), 0), made(0, 0, 480)]);
        queue.row(first(), owed(480));
    }

    #[test]
    fn a_settled_promise_leaves_the_queue() {
        let (queue, _) =
            given::<DeadlineQueue>(request(1), [submitted(request(1), 0), made(0, 0, 480), kept(0, 5, 480)]);
        queue.no_row(first());
    }

    #[test]
    fn a_planned_request_is_owed_no_date() {
        let planned = Request::Planned { at: at(3), programme: code("trees-2027") };
        let events = [submitted(request(1), 0), made(0, 0, 480), released(0, 3, 480, Release::Planned), planned];
        let (queue, _) = given::<DeadlineQueue>(request(1), events);
        queue.no_row(first());
    }

    #[test]
    fn a_pause_is_flagged_and_a_resumption_moves_the_date() {
        let asked = [submitted(request(1), 0), made(0, 0, 480), paused(0, 5)];
        let (queue, _) = given::<DeadlineQueue>(request(1), asked.clone());
        queue.row(first(), Owed { paused: true, ..owed(480) });

        let resumed = Request::Promise(Promise::Resumed {
            id: promise(0),
            at: at(29),
            previous_due_at: due(480).due_at,
            previous_due_on: due(480).due_on,
            due: due(504),
        });
        let (queue, _) = given::<DeadlineQueue>(request(1), asked.into_iter().chain([resumed]));
        queue.row(first(), owed(504));
    }

    #[test]
    fn a_transfer_and_a_triage_move_the_open_promises() {
        let transferred = Request::Transferred { at: at(2), from: Some(code("parks")), to: code("roads") };
        let triaged = Request::Triaged { at: at(3), priority: Priority::Urgent };
        let events = [submitted(request(1), 0), made(0, 0, 480), transferred, triaged, made(1, 4, 500)];
        let (queue, _) = given::<DeadlineQueue>(request(1), events);
        let moved = |row: Owed| Owed { unit: Some(code("roads")), priority: Priority::Urgent, ..row };
        queue.row(first(), moved(owed(480)));
        queue.row((request(1), code("felling-20"), 1), moved(Owed { ordinal: 1, ..owed(500) }));
    }

    #[test]
    fn any_order_of_events_is_folded() {
        let (queue, _) = given::<DeadlineQueue>(request(1), [kept(0, 5, 480), paused(0, 1), made(0, 0, 480)]);
        queue.no_row(first());
    }
}
