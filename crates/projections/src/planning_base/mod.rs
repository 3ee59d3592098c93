//! The requests that feed a planned programme, by priority (S2-24..26): owed no date, possibly for years.

pub(crate) mod queries;

use chrono::NaiveDate;
use domain::{
    codec::{Event, Recorded},
    declaration::Priority,
    ids::RequestId,
    request::{Event as Request, Status},
    time::Instant,
    words::Code,
};

pub use self::queries::{Cursor, Filter, list};
use crate::{Memory, NoCells, Projection, Rows, row};

row! {
    /// One request in a planned programme.
    pub struct Planned in planning_base {
        key { request: RequestId }
        programme: Code,
        product: Code,
        precision: Option<Code>,
        area: Option<Code>,
        unit: Option<Code>,
        priority: Priority,
        opened_at: Instant,
        entered_at: Instant,
        entered_on: NaiveDate,
    }
    index programme (programme, entered_at, request)
}

/// What a request is about, before it enters a programme; the event that enters it does not say.
#[derive(Debug, Clone, PartialEq)]
pub struct Matter {
    product: Code,
    precision: Option<Code>,
    area: Option<Code>,
    unit: Option<Code>,
    priority: Priority,
    opened_at: Instant,
}

pub struct PlanningBase;

impl Projection for PlanningBase {
    const NAME: &'static str = "planning_base";
    const VERSION: i64 = 2;
    const READS: &'static [&'static str] = &["request"];
    type Tables = (Rows<Planned>, Memory<Matter>);
    type Cell = NoCells;

    fn looks_back(recorded: &Recorded) -> bool {
        matches!(recorded.body, Event::Request(Request::Planned { .. }))
    }

    fn fold((planned, matter): &mut Self::Tables, recorded: &Recorded) {
        let Event::Request(event) = &recorded.body else { return };
        let Some(request) = RequestId::of_stream(&recorded.stream) else { return };
        if let Request::Submitted(submitted) = event {
            matter.learn(Matter {
                product: submitted.product.clone(),
                precision: submitted.precision.clone(),
                area: submitted.area.clone(),
                unit: submitted.unit.clone(),
                priority: submitted.priority,
                opened_at: submitted.at.to_utc(),
            });
            return;
        }
        follow(planned, request, matter, event);
        // Resolved, cancelled, recategorised …: whatever moves a request out of the status takes it off the programme.
        if planned.only().is_some() && Status::Planned.after(event) != Status::Planned {
            planned.remove(&(request,));
        }
    }
}

/// The memory and the row say the same of the request; only the row stands in a programme.
fn follow(planned: &mut Rows<Planned>, request: RequestId, matter: &mut Memory<Matter>, event: &Request) {
    match event {
        Request::Planned { at, programme } => {
            if let Some(matter) = matter.get() {
                planned.put(enter(request, matter, programme, *at));
            }
        }
        Request::Triaged { priority, .. } => {
            matter.change(|matter| matter.priority = *priority);
            planned.each(|planned| planned.priority = *priority);
        }
        Request::Assigned { unit, .. } | Request::Transferred { to: unit, .. } => {
            matter.change(|matter| matter.unit = Some(unit.clone()));
            planned.each(|planned| planned.unit = Some(unit.clone()));
        }
        Request::Recategorised { product, precision, unit, .. } => matter.change(|matter| {
            matter.product = product.clone();
            matter.precision.clone_from(precision);
            if unit.is_some() {
                matter.unit.clone_from(unit);
            }
        }),
        _ => {}
    }
}

fn enter(request: RequestId, matter: &Matter, programme: &Code, at: domain::time::Local) -> Planned {
    Planned {
        request,
        programme: programme.clone(),
        product: matter.product.clone(),
        precision: matter.precision.clone(),
        area: matter.area.clone(),
        unit: matter.unit.clone(),
        priority: matter.priority,
        opened_at: matter.opened_at,
        entered_at: at.to_utc(),
        entered_on: at.date_naive(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        given::given,
        story::{at, code, request, resolved, submitted},
    };

    fn planned() -> [Request; 3] {
        let entered = Request::Planned { at: at(30), programme: code("trees-2027") };
        let triaged = Request::Triaged { at: at(40), priority: Priority::High };
        [submitted(request(1), 0), entered, triaged]
    }

    #[test]
    fn a_planned_request_stands_with_its_priority() {
        let row = Planned {
            request: request(1),
            programme: code("trees-2027"),
            product: code("tree"),
            precision: Some(code("felling")),
            area: Some(code("limoilou")),
            unit: Some(code("parks")),
            priority: Priority::High,
            opened_at: at(0).to_utc(),
            entered_at: at(30).to_utc(),
            entered_on: at(30).date_naive(),
        };
        given::<PlanningBase>(request(1), planned()).0.row((request(1),), row);
    }

    #[test]
    fn what_is_done_leaves_the_programme() {
        given::<PlanningBase>(request(1), planned().into_iter().chain([resolved(50)])).0.no_row((request(1),));
        given::<PlanningBase>(request(1), [submitted(request(1), 0)]).0.no_row((request(1),));
    }
}
