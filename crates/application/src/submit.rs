//! A request comes in: who asks, what the declaration makes of it, one append, one answer.
//!
//! One append holds the person (when new), the request with its promises, and its number. An emergency in the answers
//! leaves no request: the contact alone is recorded, without anything personal (S2-38..43). An operation that was done
//! before is answered from the events it wrote.

use domain::{
    codec::Event,
    contact,
    ids::{ContactId, PersonId, RequestId},
    number::{self, Number},
    person, request,
};
use event_store::{Expected, Operation};
use vault::{SubjectKey, VaultError};

use crate::{
    asked::{Asked, NoRequest, all_terms, linking_terms, new_details},
    errors::{Problem, StorageError, SubmitError, Unexpected, WriteError},
    operation::OperationKey,
    organisation::Organisation,
    submission::{Outcome, Submission},
    writing::{Draft, Written},
};

/// Ids are made anew when a number is taken or an indexed person was never registered; both are rare.
const ATTEMPTS: usize = 5;

impl Organisation {
    /// Submits a request for whoever asks. The same operation is one request, however often it comes.
    pub async fn submit(
        &self,
        actor: &str,
        submission: Submission,
        operation: Option<OperationKey>,
    ) -> Result<Outcome, SubmitError> {
        let operation = operation.map(|key| key.hashed(&self.0.vault, actor));
        if let Some(written) = self.written_before(operation.as_ref()).await? {
            return Ok(self.outcome(&written)?);
        }
        let problems = |problems| SubmitError::Invalid { problems };
        let asked = Asked::read(self.rules(), self.now(), submission).map_err(problems)?;
        let mut known = self.known_person(asked.details.as_ref()).await?;
        let mut attempts = 1..ATTEMPTS;
        loop {
            match self.try_submit(actor, &asked, known, operation).await {
                Err(Failed::Write(WriteError::Conflict { stream })) if attempts.next().is_some() => {
                    // A number was taken: other ids have another. A person who is indexed but not there was erased
                    // meanwhile, or was never registered by whoever began to: then somebody new asks.
                    known = known.filter(|person| person.stream() != stream);
                }
                Err(Failed::Write(error)) => return Err(error.into()),
                Err(Failed::Invalid(invalid)) => return Err(problems(invalid)),
                Ok(outcome) => return Ok(outcome),
            }
        }
    }

    async fn try_submit(
        &self,
        actor: &str,
        asked: &Asked,
        known: Option<PersonId>,
        operation: Option<Operation>,
    ) -> Result<Outcome, Failed> {
        let request = RequestId(self.0.ids.uuid());
        let new_person = || asked.details.is_some().then(|| PersonId(self.0.ids.uuid()));
        let person = known.or_else(new_person);
        let mut draft = Draft::new(actor, operation.as_ref());
        match asked.decide(request, person) {
            Ok(events) => {
                if let (Some(person), Some(details)) = (person, &asked.details) {
                    self.draft_person(&mut draft, asked, person, details, known.is_some()).await?;
                }
                self.draft_request(&mut draft, request, person, events).await?;
            }
            Err(NoRequest::Emergency(events)) => {
                let contact = ContactId(self.0.ids.uuid());
                draft.write(contact.stream(), Expected::NoStream, self.with_ids(events));
            }
            Err(NoRequest::Invalid(problems)) => return Err(Failed::Invalid(problems)),
        }
        let written = self.append(draft, operation).await?;
        Ok(self.outcome(&written).map_err(WriteError::Storage)?)
    }

    /// Registers who is new with a key and a place in the index; notes what who is known adds.
    async fn draft_person(
        &self,
        draft: &mut Draft,
        asked: &Asked,
        person: PersonId,
        details: &person::Details,
        known: bool,
    ) -> Result<(), Failed> {
        let (stream, vault) = (person.stream(), &self.0.vault);
        let terms = all_terms(details);
        let (details, expected) = if known {
            let new = vault.unknown_terms(&stream, &terms).await.map_err(WriteError::from)?;
            let Some(details) = new_details(details, &new) else {
                draft.check(stream, Expected::Exists);
                return Ok(());
            };
            (details, Expected::Exists)
        } else {
            (details.clone(), Expected::NoStream)
        };
        let events = asked.decide_person(details, known).map_err(Failed::Invalid)?;
        let key = if known {
            let key = self.person_key(person).await?;
            vault.remember(&stream, &terms).await.map_err(WriteError::from)?;
            key
        } else {
            vault.create_key(&stream, &terms).await.map_err(WriteError::from)?
        };
        draft.write(stream.clone(), expected, self.with_ids(events));
        draft.seal(&stream, &key);
        Ok(())
    }

    async fn draft_request(
        &self,
        draft: &mut Draft,
        request: RequestId,
        person: Option<PersonId>,
        events: Vec<request::Event>,
    ) -> Result<(), WriteError> {
        let stream = request.stream();
        draft.write(stream.clone(), Expected::NoStream, self.with_ids(events));
        let reserved = number::Event::Reserved { request };
        draft.write(Number::of(request).stream(), Expected::NoStream, self.with_ids([reserved]));
        if draft.holds_plain(&stream) {
            let key = match person {
                Some(person) => self.person_key(person).await?,
                None => self.0.vault.create_key(&stream, &[]).await?,
            };
            draft.seal(&stream, &key);
        }
        Ok(())
    }

    /// The key of somebody who is known; a conflict when they were erased since.
    async fn person_key(&self, person: PersonId) -> Result<SubjectKey, WriteError> {
        self.0.vault.key_for(&person.stream()).await.map_err(|error| match error {
            VaultError::Destroyed => WriteError::Conflict { stream: person.stream() },
            error => error.into(),
        })
    }

    /// Who has that e-mail or telephone: the best match, by e-mail before telephone, then always the same one.
    ///
    /// One match alone is taken at its word, for the append expects that person; among several the log is asked first.
    async fn known_person(&self, details: Option<&person::Details>) -> Result<Option<PersonId>, WriteError> {
        let Some(details) = details else { return Ok(None) };
        let terms = linking_terms(details);
        let found = self.0.vault.find(&terms, 1, 2).await?;
        match found.as_slice() {
            [] => Ok(None),
            [only] => Ok(PersonId::of_stream(only)),
            _ => Ok(self.registered(&terms, 1, 1).await?.first().copied()),
        }
    }

    /// The answer, from the events alone: the first time and every time after.
    fn outcome(&self, written: &Written) -> Result<Outcome, StorageError> {
        let after = self.after_token(written.last);
        for event in &written.events {
            match &event.body {
                Event::Request(request::Event::Submitted(submitted)) => {
                    let Some(request) = RequestId::of_stream(&event.stream) else { continue };
                    let revision = written.revision_of(&event.stream);
                    return Ok(Outcome::Created {
                        request,
                        number: submitted.number.clone(),
                        revision,
                        replayed: written.replayed,
                        after,
                        etag: self.etag(request, revision),
                    });
                }
                Event::Contact(contact::Event::DirectedTo911 { reason, .. }) => {
                    return Ok(Outcome::Emergency { code: reason.clone(), replayed: written.replayed });
                }
                _ => {}
            }
        }
        Err(StorageError::new(Unexpected { stream: "operation".to_owned() }))
    }
}

/// Why one attempt came to nothing.
enum Failed {
    Write(WriteError),
    Invalid(Vec<Problem>),
}

impl From<WriteError> for Failed {
    fn from(error: WriteError) -> Self {
        Self::Write(error)
    }
}
