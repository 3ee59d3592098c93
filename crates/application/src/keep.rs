//! A history that was lived elsewhere goes into the log: one row, one append, whatever happens in between.

use domain::{codec::Event, ids::RequestId, number};
use event_store::{Expected, Operation};
use uuid::Uuid;

use crate::{
    errors::{StorageError, Unexpected, WriteError},
    history::{History, HistoryError, Kept, Lived},
    organisation::Organisation,
    writing::{Draft, Written},
};

/// Two of 41,827 numbers meet once in a million imports; ten of them never.
const ATTEMPTS: u32 = 10;

impl Organisation {
    /// Appends what the row tells, dated as it happened, unless an earlier import has. Nothing is awaited before the
    /// append, so histories that are begun in the order of their file stand in the log in that order.
    pub async fn append_history(&self, actor: &str, history: &History) -> Result<Kept, HistoryError> {
        let operation = Operation {
            id: self.0.vault.operation_hash(&[b"import", history.row.as_bytes()]),
            fingerprint: Some(history.fingerprint),
        };
        for attempt in 0..ATTEMPTS {
            let lived = history.live(self.slug(), &self.rules(), attempt)?;
            let number = lived.number.stream();
            match self.append(draft(actor, lived, &operation)?, Some(operation)).await {
                Ok(written) => return Ok(kept(&written)?),
                Err(WriteError::Conflict { stream }) if stream == number => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(HistoryError::Storage(StorageError::new(Unexpected { stream: "number".to_owned() })))
    }
}

fn draft(actor: &str, lived: Lived, operation: &Operation) -> Result<Draft, HistoryError> {
    let Lived { request, number, events } = lived;
    let mut draft = Draft::new(actor, Some(operation));
    let events = events.into_iter().map(|(id, event)| (id, Event::Request(event))).collect();
    draft.write(request.stream(), Expected::NoStream, events);
    if draft.holds_plain(&request.stream()) {
        return Err(HistoryError::Personal);
    }
    let reserved = (Uuid::new_v5(&request.0, b"number"), number::Event::Reserved { request }.into());
    draft.write(number.stream(), Expected::NoStream, vec![reserved]);
    Ok(draft)
}

fn kept(written: &Written) -> Result<Kept, StorageError> {
    let of_request = |stream: &str| RequestId::of_stream(stream);
    let request = written.events.iter().find_map(|event| of_request(&event.stream));
    let request = request.ok_or_else(|| StorageError::new(Unexpected { stream: "request".to_owned() }))?;
    let events = written.events.iter().filter(|event| of_request(&event.stream).is_some()).count();
    Ok(Kept { request, events, replayed: written.replayed })
}

impl From<WriteError> for HistoryError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Conflict { .. } | WriteError::OperationReused => Self::Changed,
            WriteError::TooLarge { .. } => Self::TooLarge,
            WriteError::Overloaded => Self::Overloaded,
            WriteError::Unknown => Self::Unknown,
            WriteError::Diverged => Self::Diverged,
            WriteError::Storage(error) => Self::Storage(error),
        }
    }
}
