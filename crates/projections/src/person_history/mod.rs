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
            matter.precision = precision.clone();
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
