//! What may be told to anybody about each request: the list that Open311 reads, newest first.
//!
//! The description is the text that an agent released, never what was typed. What was typed, a private place and a
//! picture stay sealed in columns of their own, for the doors whose policy opens them.

pub(crate) mod queries;

use domain::{
    codec::{Event, Recorded},
    declaration::Priority,
    ids::{PersonId, RequestId},
    number::Number,
    personal::Personal,
    promise,
    request::{Answer, Event as Request, Location, Place, Status, Submitted, Visibility},
    time::Instant,
    words::Code,
};

pub use self::queries::{Cursor, Filter, by_number, list, one};
use crate::{NoCells, Projection, Rows, Sealing, row};

row! {
    /// One request. `expected_at` is the latest instant that is still promised, exclusive.
    pub struct PublicRequest in public_requests {
        key { request: RequestId }
        number: Number,
        status: Status,
        open: bool,
        channel: Code,
        product: Code,
        precision: Option<Code>,
        priority: Priority,
        unit: Option<Code>,
        area: Option<Code>,
        requested_at: Instant,
        /// Of the last event that the public may know of.
        updated_at: Instant,
        closed_at: Option<Instant>,
        expected_at: Option<Instant>,
        lat: Option<i64>,
        long: Option<i64>,
        address: Option<String>,
        address_id: Option<String>,
        /// Released by an agent, in clear.
        description: Option<String>,
        /// Why it was refused, what was done, which programme it entered: a code.
        reason: Option<Code>,
        duplicate_of: Option<RequestId>,
        requester: Option<PersonId>,
        declaration: Code,
        source: Option<Code>,
        source_key: Option<String>,
        typed_description: Option<Personal<String>>,
        private_place: Option<Personal<Location>>,
        media_url: Option<Personal<String>>,
        answers: Option<Sealing<Vec<Answer>>>,
    }
    index requested (requested_at, request)
    index updated (updated_at, request)
    index number (number)
    index product (product, requested_at, request)
    index open (requested_at, request) where "open"
}

pub struct PublicRequests;

impl Projection for PublicRequests {
    const NAME: &'static str = "public_requests";
    const VERSION: i64 = 1;
    const READS: &'static [&'static str] = &["request"];
    type Tables = Rows<PublicRequest>;
    type Cell = NoCells;

    fn fold(rows: &mut Rows<PublicRequest>, recorded: &Recorded) {
        let Event::Request(event) = &recorded.body else { return };
        if let Request::Submitted(submitted) = event {
            if let Some(request) = RequestId::of_stream(&recorded.stream) {
                rows.put(received(request, submitted));
            }
            return;
        }
        rows.each(|row| tell(row, event));
    }
}

fn received(request: RequestId, submitted: &Submitted) -> PublicRequest {
    let (public, private_place) = match &submitted.place {
        Some(Place::Public(location)) => (location.clone(), None),
        Some(Place::Private(sealed)) => (Location::default(), Some(sealed.clone())),
        None => (Location::default(), None),
    };
    let at = submitted.at.to_utc();
    PublicRequest {
        request,
        number: submitted.number.clone(),
        status: Status::Received,
        open: true,
        channel: submitted.channel.clone(),
        product: submitted.product.clone(),
        precision: submitted.precision.clone(),
        priority: submitted.priority,
        unit: submitted.unit.clone(),
        area: submitted.area.clone(),
        requested_at: at,
        updated_at: at,
        closed_at: None,
        expected_at: None,
        lat: public.point.map(|point| point.lat),
        long: public.point.map(|point| point.long),
        address: public.address,
        address_id: public.address_id,
        description: None,
        reason: None,
        duplicate_of: None,
        requester: submitted.requester,
        declaration: submitted.declaration.clone(),
        source: submitted.source.as_ref().map(|source| source.name.clone()),
        source_key: submitted.source.as_ref().and_then(|source| source.key.clone()),
        typed_description: submitted.description.clone(),
        private_place,
        media_url: submitted.media_url.clone(),
        answers: (!submitted.answers.is_empty()).then(|| Sealing(submitted.answers.clone())),
    }
}

/// What an event changes in what may be told.
fn tell(row: &mut PublicRequest, event: &Request) {
    let at = event.at().to_utc();
    let was_open = row.open;
    row.status = row.status.after(event);
    row.open = row.status.is_open();
    match (was_open, row.open) {
        (true, false) => row.closed_at = Some(at),
        (_, true) => row.closed_at = None,
        (false, false) => {}
    }
    match event {
        Request::Triaged { priority, .. } => row.priority = *priority,
        Request::Assigned { unit, .. } | Request::Transferred { to: unit, .. } => row.unit = Some(unit.clone()),
        Request::Recategorised { product, precision, unit, .. } => {
            row.product = product.clone();
            row.precision.clone_from(precision);
            if unit.is_some() {
                row.unit.clone_from(unit);
            }
            row.reason = None;
        }
        Request::Resolved { outcome, .. } => row.reason.clone_from(outcome),
        Request::Refused { reason, .. } => row.reason = Some(reason.clone()),
        Request::Planned { programme, .. } => row.reason = Some(programme.clone()),
        Request::Reopened { .. } => row.reason = None,
        Request::LinkedAsDuplicate { of, .. } => row.duplicate_of = Some(*of),
        Request::Unlinked { .. } => row.duplicate_of = None,
        Request::TextReleased { text, .. } => row.description = Some(text.clone()),
        Request::Promise(promise) => expect(row, promise),
        _ => {}
    }
    if is_public(event) {
        row.updated_at = row.updated_at.max(at);
    }
}

/// The promise that is announced is the last one made or moved; none is announced once it is settled.
fn expect(row: &mut PublicRequest, event: &promise::Event) {
    match event {
        promise::Event::Made { due, .. }
        | promise::Event::Extended { due, .. }
        | promise::Event::Resumed { due, .. } => {
            row.expected_at = Some(row.expected_at.map_or(due.due_at, |known| known.max(due.due_at)));
        }
        promise::Event::Released { .. } => row.expected_at = None,
        promise::Event::Kept { .. } | promise::Event::Missed { .. } | promise::Event::Paused { .. } => {}
    }
}

/// An internal note moves nothing that the public sees; a promise moves with the event that it belongs to.
fn is_public(event: &Request) -> bool {
    !matches!(event, Request::Noted { visibility: Visibility::Internal, .. } | Request::Promise(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        given::given,
        story::{at, code, due, made, noted, request, resolved, sealed, submission, submitted},
    };

    fn row() -> PublicRequest {
        received(request(1), &submission(request(1), 0))
    }

    #[test]
    fn what_was_typed_stays_sealed_and_the_description_is_empty() {
        let expected = PublicRequest { expected_at: Some(due(480).due_at), ..row() };
        assert_eq!((expected.description.as_ref(), expected.lat), (None, Some(468_130_000)));
        given::<PublicRequests>(request(1), [submitted(request(1), 0), made(0, 0, 480)]).row((request(1),), expected);
    }

    #[test]
    fn a_private_place_is_not_among_the_public_columns() {
        let private = Submitted { place: Some(Place::Private(sealed("/place"))), ..submission(request(1), 0) };
        let rows = given::<PublicRequests>(request(1), [Request::Submitted(Box::new(private))]);
        let none = PublicRequest { lat: None, long: None, address: None, ..row() };
        rows.row((request(1),), PublicRequest { private_place: Some(sealed("/place")), ..none });
    }

    #[test]
    fn closing_and_reopening_are_seen() {
        let closed = [submitted(request(1), 0), resolved(9)];
        let at_nine = Some(at(9).to_utc());
        let expected = PublicRequest {
            status: Status::Resolved,
            open: false,
            updated_at: at(9).to_utc(),
            closed_at: at_nine,
            reason: Some(code("felled")),
            ..row()
        };
        given::<PublicRequests>(request(1), closed.clone()).row((request(1),), expected);

        let reopened = closed.into_iter().chain([Request::Reopened { at: at(12) }]);
        let expected = PublicRequest { updated_at: at(12).to_utc(), ..row() };
        given::<PublicRequests>(request(1), reopened).row((request(1),), expected);
    }

    #[test]
    fn an_internal_note_moves_nothing_public() {
        let events = [submitted(request(1), 0), noted(5, Visibility::Internal)];
        given::<PublicRequests>(request(1), events).row((request(1),), row());
        let events = [submitted(request(1), 0), noted(5, Visibility::Public)];
        let updated = PublicRequest { updated_at: at(5).to_utc(), ..row() };
        given::<PublicRequests>(request(1), events).row((request(1),), updated);
    }

    #[test]
    fn a_released_text_is_the_description() {
        let text = "Arbre penché".to_owned();
        let events = [submitted(request(1), 0), Request::TextReleased { at: at(0), text: text.clone() }];
        let expected = PublicRequest { description: Some(text), ..row() };
        given::<PublicRequests>(request(1), events).row((request(1),), expected);
    }
}
