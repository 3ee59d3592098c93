//! Records read from the log and decoded once, for every projection of the organisation.

use domain::codec::Recorded;
use event_store::Record;

use crate::model;

/// A record as the projections see it.
#[derive(Debug, Clone)]
pub struct Delivered {
    pub(crate) position: i64,
    /// In its stream, from 0.
    pub(crate) revision: i64,
    pub(crate) hash: [u8; 32],
    pub(crate) content: Content,
}

#[derive(Debug, Clone)]
pub(crate) enum Content {
    Event(Box<Recorded>),
    /// Concerns those who read its category, and stops them.
    Unreadable {
        category: String,
        why: String,
    },
    /// Of a category that nobody reads, or of the event store itself.
    Other,
}

impl Delivered {
    pub(crate) fn decode(record: Record) -> Self {
        let (position, revision, hash) = (record.position, record.revision, record.hash);
        Self { position, revision, hash, content: content(record) }
    }

    /// The event, if a projection that reads `categories` folds it.
    pub(crate) fn event(&self, categories: &[&str]) -> Option<&Recorded> {
        match &self.content {
            Content::Event(event) if categories.contains(&category(&event.stream)) => Some(event),
            _ => None,
        }
    }

    /// Why a projection that reads `categories` cannot go on.
    pub(crate) fn unreadable(&self, categories: &[&str]) -> Option<&str> {
        match &self.content {
            Content::Unreadable { category, why } if categories.contains(&category.as_str()) => Some(why),
            _ => None,
        }
    }
}

fn content(record: Record) -> Content {
    let category = category(&record.stream).to_owned();
    if record.kind.starts_with('$') || !model::ALL.iter().any(|model| model.reads().contains(&category.as_str())) {
        return Content::Other;
    }
    let decoded = Recorded::decode(
        record.position,
        record.stream,
        record.revision,
        record.id,
        record.recorded_at,
        &record.kind,
        record.schema,
        &record.payload,
        &record.meta,
    );
    match decoded {
        Ok(event) => Content::Event(Box::new(event)),
        Err(error) => Content::Unreadable { category, why: explain(&error) },
    }
}

/// What stands before the first hyphen of a stream's name.
fn category(stream: &str) -> &str {
    stream.split_once('-').map_or(stream, |(category, _)| category)
}

/// The error and what caused it, in one line.
pub(crate) fn explain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        line = format!("{line}: {cause}");
        source = cause.source();
    }
    line
}
