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

pub use self::queries::{Cursor, Filter, Window, list, of};
use crate::{NoCells, Projection, Rows, row};

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

row! {
    /// What a promise of this request is about; a promise itself does not say.
    pub struct DeadlineMatter in deadline_matter {
        key { request: RequestId }
        unit: Option<Code>,
        product: Code,
        precision: Option<Code>,
        area: Option<Code>,
        priority: Priority,
    }
}

pub struct DeadlineQueue;

impl Projection for DeadlineQueue {
    const NAME: &'static str = "deadline_queue";
    const VERSION: i64 = 1;
    const READS: &'static [&'static str] = &["request"];
    type Tables = (Rows<Owed>, Rows<DeadlineMatter>);
    type Cell = NoCells;

    fn fold((owed, matters): &mut Self::Tables, recorded: &Recorded) {
        let Event::Request(event) = &recorded.body else { return };
        match event {
            Request::Submitted(submitted) => {
                let Some(request) = RequestId::of_stream(&recorded.stream) else { return };
                matters.put(DeadlineMatter {
                    request,
                    unit: submitted.unit.clone(),
                    product: submitted.product.clone(),
                    precision: submitted.precision.clone(),
                    area: submitted.area.clone(),
                    priority: submitted.priority,
                });
            }
            Request::Triaged { priority, .. } => {
                matters.each(|matter| matter.priority = *priority);
                owed.each(|owed| owed.priority = *priority);
            }
            Request::Assigned { unit, .. } | Request::Transferred { to: unit, .. } => hand_to(owed, matters, unit),
            Request::Recategorised { product, precision, unit, .. } => {
                // Open promises were released before; the new product's are made after this.
                matters.each(|matter| {
                    matter.product = product.clone();
                    matter.precision = precision.clone();
                });
                if let Some(unit) = unit {
                    hand_to(owed, matters, unit);
                }
            }
            Request::Promise(event) => fold_promise(owed, matters.only(), event),
            _ => {}
        }
    }
}

fn hand_to(owed: &mut Rows<Owed>, matters: &mut Rows<DeadlineMatter>, unit: &Code) {
    matters.each(|matter| matter.unit = Some(unit.clone()));
    owed.each(|owed| owed.unit = Some(unit.clone()));
}

fn fold_promise(rows: &mut Rows<Owed>, matter: Option<&DeadlineMatter>, event: &Promise) {
    let Some(matter) = matter else { return };
    let key = key(matter.request, event.id());
    match event {
        Promise::Made { milestone, basis, due, .. } => {
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
