//! Persons: found by what they gave, merged when two records are of one person, taken apart again.

use domain::{
    codec::Event,
    decider::Decider,
    ids::PersonId,
    person::{Act, Command, Person, State},
};
use event_store::{Expected, Operation};
use vault::Term;

use crate::{
    errors::{MergeError, StorageError},
    operation::OperationKey,
    organisation::Organisation,
    writing::Draft,
};

const RETRIES: usize = 3;
/// A chain of merges longer than this is followed no further; no agent makes one by hand.
const LONGEST_CHAIN: usize = 100;

/// Whom to look for. Everything given must match; words of a name match whole, without accents or case.
#[derive(Clone, Default)]
pub struct PersonQuery {
    pub email: Option<String>,
    pub phone: Option<String>,
    pub name: Option<String>,
}

/// A merge that was done, or that had nothing left to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// For `?after=`.
    pub after: String,
    pub replayed: bool,
}

struct Loaded {
    state: State,
    revision: i64,
    position: i64,
}

impl Organisation {
    /// At most `limit` persons that match, always in the same order. Merged records are found too: readers follow the merges.
    pub async fn find_persons(&self, query: &PersonQuery, limit: usize) -> Result<Vec<PersonId>, StorageError> {
        let mut terms = Vec::new();
        for (text, term) in [(&query.email, Term::email as fn(&str) -> Option<Term>), (&query.phone, Term::phone)] {
            match text.as_deref().map(term) {
                Some(None) => return Ok(Vec::new()), // Not an address, not a number: nobody has it.
                Some(Some(term)) => terms.push(term),
                None => {}
            }
        }
        terms.extend(query.name.as_deref().map(Term::name).unwrap_or_default());
        if terms.is_empty() {
            return Ok(Vec::new());
        }
        self.registered(&terms, terms.len(), limit).await
    }

    /// The first `wanted` persons that have `at_least` of the terms and whom the log knows.
    ///
    /// A key and its terms are durable before the append that registers their person. When that append never comes (an
    /// operation that another process won, a crash), the index goes on naming somebody who is nobody.
    pub(crate) async fn registered(
        &self,
        terms: &[Term],
        at_least: usize,
        wanted: usize,
    ) -> Result<Vec<PersonId>, StorageError> {
        let (mut persons, mut seen, mut asked) = (Vec::new(), 0, wanted.saturating_mul(2));
        loop {
            let found = self.0.vault.find(terms, at_least, asked).await.map_err(StorageError::new)?;
            for subject in found.iter().skip(seen) {
                let stream = self.0.store.stream(subject).await.map_err(StorageError::new)?;
                if stream.is_some_and(|stream| !stream.is_deleted()) {
                    persons.extend(PersonId::of_stream(subject));
                }
                if persons.len() == wanted {
                    return Ok(persons);
                }
            }
            if found.len() < asked {
                return Ok(persons);
            }
            (seen, asked) = (found.len(), asked.saturating_mul(4));
        }
    }

    /// Says that `absorbed` is the same person as `into`. One event, on the absorbed record alone.
    pub async fn merge(
        &self,
        actor: &str,
        absorbed: PersonId,
        into: PersonId,
        operation: Option<OperationKey>,
    ) -> Result<Merged, MergeError> {
        self.change(actor, absorbed, Some(into), operation).await
    }

    /// Takes the merge of a record back. One event.
    pub async fn unmerge(
        &self,
        actor: &str,
        person: PersonId,
        operation: Option<OperationKey>,
    ) -> Result<Merged, MergeError> {
        self.change(actor, person, None, operation).await
    }

    async fn change(
        &self,
        actor: &str,
        person: PersonId,
        into: Option<PersonId>,
        operation: Option<OperationKey>,
    ) -> Result<Merged, MergeError> {
        let operation = operation.map(|key| key.hashed(&self.0.vault, actor));
        let mut retries = 0..RETRIES;
        loop {
            match self.try_change(actor, person, into, operation).await {
                Err(MergeError::Conflict) if retries.next().is_some() => {}
                done => return done,
            }
        }
    }

    async fn try_change(
        &self,
        actor: &str,
        person: PersonId,
        into: Option<PersonId>,
        operation: Option<Operation>,
    ) -> Result<Merged, MergeError> {
        let loaded = self.load_person(person).await?.ok_or(MergeError::NotFound)?;
        // After the person was read: what the same operation did meanwhile is its answer and not in its way.
        if let Some(written) = self.written_before(operation.as_ref()).await? {
            return Ok(Merged { after: self.after_token(written.last), replayed: true });
        }
        let mut draft = Draft::new(actor, operation.as_ref());
        let act = match into {
            Some(into) => Act::Merge { into, leads_back: self.leads_back(into, person, &mut draft).await? },
            None => Act::Unmerge,
        };
        let command = Command { rules: self.rules(), at: self.now(), act };
        let events = Person::decide(&loaded.state, command).map_err(|refusal| MergeError::Refused(refusal.code()))?;
        if events.is_empty() {
            return Ok(Merged { after: self.after_token(loaded.position), replayed: false });
        }
        draft.write(person.stream(), Expected::Revision(loaded.revision), self.with_ids(events));
        let written = self.append(draft, operation).await?;
        Ok(Merged { after: self.after_token(written.last), replayed: written.replayed })
    }

    /// Whether following the merges from `from` arrives at `person`. Every record on the way is expected unchanged.
    async fn leads_back(&self, from: PersonId, person: PersonId, draft: &mut Draft) -> Result<bool, MergeError> {
        let mut next = from;
        for _ in 0..LONGEST_CHAIN {
            if next == person {
                return Ok(true);
            }
            let loaded = self.load_person(next).await?.ok_or(MergeError::NotFound)?;
            draft.check(next.stream(), Expected::Revision(loaded.revision));
            match loaded.state {
                State::Merged { into } => next = into,
                State::Unknown | State::Registered => return Ok(false),
            }
        }
        Ok(true)
    }

    async fn load_person(&self, person: PersonId) -> Result<Option<Loaded>, StorageError> {
        let mut loaded = None;
        for event in self.stream(&person.stream()).await? {
            let Event::Person(body) = &event.body else { continue };
            let state = loaded.map_or(Person::initial(), |loaded: Loaded| loaded.state);
            let state = Person::evolve(state, body);
            loaded = Some(Loaded { state, revision: event.revision, position: event.position });
        }
        Ok(loaded)
    }
}
