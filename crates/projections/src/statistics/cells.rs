//! Daily cells: the facts counted by local day and dimension. A dimension that is absent is an empty text.

use chrono::NaiveDate;
use domain::words::Code;

use super::facts::{Owing, PromiseFact, RequestFact};
use crate::{Cell, row};

row! {
    /// Counters of one day. Requests count on the day they were opened and on the day they were closed, with no
    /// standard; promises on the last day on which they can be kept, each in exactly one of its four states.
    pub struct DailyCell in daily_cells {
        key {
            day: NaiveDate,
            channel: String,
            product: String,
            precision: String,
            area: String,
            standard: String,
        }
        opened: i64,
        closed: i64,
        owed: i64,
        kept: i64,
        missed: i64,
        released: i64,
    }
}

impl Cell for DailyCell {
    fn measures(&self) -> Vec<i64> {
        vec![self.opened, self.closed, self.owed, self.kept, self.missed, self.released]
    }
}

pub(super) fn of_request(fact: &RequestFact) -> impl Iterator<Item = DailyCell> {
    let cell = |day| empty(day, &fact.channel, &fact.product, fact.precision.as_ref(), fact.area.as_ref());
    let opened = DailyCell { opened: 1, ..cell(fact.opened_on) };
    let closed = fact.closed_on.map(|day| DailyCell { closed: 1, ..cell(day) });
    std::iter::once(opened).chain(closed)
}

pub(super) fn of_promise(fact: &PromiseFact) -> DailyCell {
    let cell = empty(fact.due_on, &fact.channel, &fact.product, fact.precision.as_ref(), fact.area.as_ref());
    let cell = DailyCell { standard: fact.standard.to_string(), ..cell };
    match fact.state {
        Owing::Owed => DailyCell { owed: 1, ..cell },
        Owing::Kept => DailyCell { kept: 1, ..cell },
        Owing::Missed => DailyCell { missed: 1, ..cell },
        Owing::Released => DailyCell { released: 1, ..cell },
    }
}

fn empty(day: NaiveDate, channel: &Code, product: &Code, precision: Option<&Code>, area: Option<&Code>) -> DailyCell {
    let text = |code: Option<&Code>| code.map(Code::to_string).unwrap_or_default();
    DailyCell {
        day,
        channel: channel.to_string(),
        product: product.to_string(),
        precision: text(precision),
        area: text(area),
        standard: String::new(),
        opened: 0,
        closed: 0,
        owed: 0,
        kept: 0,
        missed: 0,
        released: 0,
    }
}
