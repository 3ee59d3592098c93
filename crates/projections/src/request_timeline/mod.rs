//! What happened to a request, in order (S2-23): one row for each event of its stream.
//!
//! Texts stay sealed, as they stand in the log. `about` is the one code that an event is about: the unit, the reason,
//! the standard; `due_at` the instant that it promises.

mod queries;

use domain::{
    codec::{Event, Recorded},
    ids::RequestId,
    personal::Personal,
    promise,
    request::{Event as Request, Visibility},
    time::Instant,
    words::Code,
};

pub use self::queries::{Timeline, of};
use crate::{NoCells, Projection, Rows, row};

row! {
    /// One event, as an agent reads it; with `visibility = 'public'`, as a citizen may.
    pub struct Entry in request_timeline {
        key { request: RequestId, revision: i64 }
        at: Instant,
        kind: String,
        visibility: Visibility,
        actor: String,
        about: Option<Code>,
        other: Option<RequestId>,
        due_at: Option<Instant>,
        /// Released in clear.
        public_text: Option<String>,
        text: Option<Personal<String>>,
    }
}

pub struct RequestTimeline;

impl Projection for RequestTimeline {
    const NAME: &'static str = "request_timeline";
    const VERSION: i64 = 1;
    const READS: &'static [&'static str] = &["request"];
    type Tables = Rows<Entry>;
    type Cell = NoCells;

    fn fold(rows: &mut Rows<Entry>, recorded: &Recorded) {
        let Event::Request(event) = &recorded.body else { return };
        let Some(request) = RequestId::of_stream(&recorded.stream) else { return };
        let mut entry = Entry {
            request,
            revision: recorded.revision,
            at: event.at().to_utc(),
            kind: event.kind().to_owned(),
            visibility: Visibility::Public,
            actor: recorded.actor.clone(),
            about: None,
            other: None,
            due_at: None,
            public_text: None,
            text: None,
        };
        tell(&mut entry, event);
        rows.put(entry);
    }
}

fn tell(entry: &mut Entry, event: &Request) {
    match event {
        Request::Submitted(submitted) => {
            entry.about = Some(submitted.product.clone());
            entry.text.clone_from(&submitted.description);
        }
        Request::Assigned { unit, .. } | Request::Transferred { to: unit, .. } => entry.about = Some(unit.clone()),
        Request::WaitingStarted { question, .. } => entry.text.clone_from(question),
        Request::Noted { visibility, text, .. } => {
            entry.visibility = *visibility;
            entry.text = Some(text.clone());
        }
        Request::InterimAnswered { anticipated_at, text, .. } => {
            entry.due_at = Some(*anticipated_at);
            entry.text = Some(text.clone());
        }
        Request::Answered { text, .. } => entry.text = Some(text.clone()),
        Request::Resolved { outcome, text, .. } => {
            entry.about.clone_from(outcome);
            entry.text.clone_from(text);
        }
        Request::Refused { reason, text, .. } => {
            entry.about = Some(reason.clone());
            entry.text.clone_from(text);
        }
        Request::Recategorised { product, .. } => entry.about = Some(product.clone()),
        Request::LinkedAsDuplicate { of, .. } | Request::Unlinked { of, .. } => entry.other = Some(*of),
        Request::Planned { programme, .. } => entry.about = Some(programme.clone()),
        Request::TextReleased { text, .. } => entry.public_text = Some(text.clone()),
        Request::Triaged { .. }
        | Request::Started { .. }
        | Request::WaitingEnded { .. }
        | Request::Reopened { .. }
        | Request::Cancelled { .. } => {}
        Request::Promise(event) => {
            entry.about = Some(event.id().standard.clone());
            entry.due_at = match event {
                promise::Event::Made { due, .. }
                | promise::Event::Extended { due, .. }
                | promise::Event::Resumed { due, .. } => Some(due.due_at),
                promise::Event::Kept { due_at, .. }
                | promise::Event::Missed { due_at, .. }
                | promise::Event::Released { due_at, .. } => Some(*due_at),
                promise::Event::Paused { .. } => None,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        given::given,
        story::{at, code, due, made, noted, request, sealed, submitted},
    };

    fn entry(revision: i64, hours: i64, kind: &str) -> Entry {
        Entry {
            request: request(1),
            revision,
            at: at(hours).to_utc(),
            kind: kind.to_owned(),
            visibility: Visibility::Public,
            actor: "usr_1".to_owned(),
            about: None,
            other: None,
            due_at: None,
            public_text: None,
            text: None,
        }
    }

    #[test]
    fn every_event_is_an_entry_and_its_text_stays_sealed() {
        let events = [submitted(request(1), 0), made(0, 0, 480), noted(3, Visibility::Internal)];
        let submitted = entry(0, 0, "request.submitted");
        let made = entry(1, 0, "promise.made");
        let noted = entry(2, 3, "request.noted");
        given::<RequestTimeline>(request(1), events)
            .row((request(1), 0), Entry { about: Some(code("tree")), text: Some(sealed("/description")), ..submitted })
            .row((request(1), 1), Entry { about: Some(code("felling-20")), due_at: Some(due(480).due_at), ..made })
            .row((request(1), 2), Entry { visibility: Visibility::Internal, text: Some(sealed("/text")), ..noted });
    }
}
