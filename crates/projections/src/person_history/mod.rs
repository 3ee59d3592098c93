//! Every request of a person (S2-17..19), and which persons are one.
//!
//! A merge changes one row of `person_link` and nothing else: readers find the group with a recursive query, so that
//! taking a merge back is one event too. Names are nowhere here; the person's own stream keeps them, sealed.

pub(crate) mod queries;

use domain::{
    codec::{Event, Recorded},
    ids::{PersonId, RequestId},
    number::Number,
    person::Event as Person,
    request::{Event as Request, Status},
    time::Instant,
    words::Code,
};

pub use self::queries::{Cursor, group_of, of};
use crate::{NoCells, Projection, Rows, row};

row! {
    /// One request of a person. A request of nobody has no row.
    pub struct PersonMatter in person_history {
        key { request: RequestId }
        person: PersonId,
        number: Number,
        status: Status,
        open: bool,
        channel: Code,
        product: Code,
        precision: Option<Code>,
        opened_at: Instant,
        updated_at: Instant,
        closed_at: Option<Instant>,
    }
    index person (person, opened_at, request)
}

row! {
    /// The person was found to be another and is read with it.
    pub struct PersonLink in person_link {
        key { person: PersonId }
        into_person: PersonId,
        merged_at: Instant,
    }
    index into_person (into_person)
}

pub struct PersonHistory;

impl Projection for PersonHistory {
    const NAME: &'static str = "person_history";
    const VERSION: i64 = 1;
    const READS: &'static [&'static str] = &["request", "person"];
    type Tables = (Rows<PersonMatter>, Rows<PersonLink>);
    type Cell = NoCells;

    fn fold((matters, links): &mut Self::Tables, recorded: &Recorded) {
        match &recorded.body {
            Event::Request(event) => fold_request(matters, &recorded.stream, event),
            Event::Person(event) => fold_person(links, &recorded.stream, event),
            _ => {}
        }
    }
}

fn fold_request(matters: &mut Rows<PersonMatter>, stream: &str, event: &Request) {
    if let Request::Submitted(submitted) = event {
        let (Some(request), Some(person)) = (RequestId::of_stream(stream), submitted.requester) else { return };
        let at = submitted.at.to_utc();
        matters.put(PersonMatter {
            request,
            person,
            number: submitted.number.clone(),
            status: Status::Received,
            open: true,
            channel: submitted.channel.clone(),
            product: submitted.product.clone(),
            precision: submitted.precision.clone(),
            opened_at: at,
            updated_at: at,
            closed_at: None,
        });
        return;
    }
    let at = event.at().to_utc();
    matters.each(|matter| {
        let was_open = matter.open;
        matter.status = matter.status.after(event);
        matter.open = matter.status.is_open();
        matter.closed_at = match (was_open, matter.open) {
            (_, true) => None,
            (true, false) => Some(at),
            (false, false) => matter.closed_at,
        };
        matter.updated_at = matter.updated_at.max(at);
        if let Request::Recategorised { product, precision, .. } = event {
            matter.product = product.clone();
            matter.precision.clone_from(precision);
        }
    });
}

fn fold_person(links: &mut Rows<PersonLink>, stream: &str, event: &Person) {
    let Some(person) = PersonId::of_stream(stream) else { return };
    match event {
        Person::Merged { at, into } => {
            links.put(PersonLink { person, into_person: *into, merged_at: at.to_utc() });
        }
        Person::Unmerged { from, .. } => {
            if links.only().is_some_and(|link| link.into_person == *from) {
                links.remove(&(person,));
            }
        }
        Person::Registered { .. } | Person::DetailsAdded { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        given::given,
        story::{at, in_person, person, recorded, request, resolved, submission, submitted},
    };

    #[test]
    fn a_request_of_nobody_has_no_row() {
        given::<PersonHistory>(request(1), [submitted(request(1), 0)]).0.no_row((request(1),));
    }

    #[test]
    fn every_request_of_a_person_is_followed_to_its_end() {
        let mut submission = submission(request(1), 0);
        submission.requester = Some(person(7));
        let row = PersonMatter {
            request: request(1),
            person: person(7),
            number: submission.number.clone(),
            status: Status::Resolved,
            open: false,
            channel: submission.channel.clone(),
            product: submission.product.clone(),
            precision: submission.precision.clone(),
            opened_at: at(0).to_utc(),
            updated_at: at(6).to_utc(),
            closed_at: Some(at(6).to_utc()),
        };
        let events = [Request::Submitted(Box::new(submission)), resolved(6)];
        given::<PersonHistory>(request(1), events).0.row((request(1),), row);
    }

    #[test]
    fn a_merge_is_one_row_and_unmerging_takes_it_away() {
        let merged = in_person(person(2), Person::Merged { at: at(1), into: person(1) });
        let unmerged = in_person(person(2), Person::Unmerged { at: at(2), from: person(1) });
        let mut rows = <PersonHistory as Projection>::Tables::default();
        let events = recorded([merged, unmerged]);
        PersonHistory::fold(&mut rows, &events[0]);
        let link = PersonLink { person: person(2), into_person: person(1), merged_at: at(1).to_utc() };
        rows.1.row((person(2),), link);
        PersonHistory::fold(&mut rows, &events[1]);
        rows.1.no_row((person(2),));
    }
}
