//! An act on a request: read its stream, decide, append what follows, once.
//!
//! The append expects the revision that was read. When somebody was faster the act is decided again on what they did,
//! three times, unless the caller said which version it acts on.

use domain::{
    codec::Event,
    decider::Decider,
    ids::{PersonId, RequestId},
    request::{Act, Command, Request, State},
};
use event_store::{Expected, Operation};
use vault::VaultError;

use crate::{
    errors::{ExecuteError, StorageError, WriteError},
    operation::OperationKey,
    organisation::Organisation,
    problems,
    writing::Draft,
};

const RETRIES: usize = 3;

/// An act that was done, or that had nothing left to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// The request's revision afterwards.
    pub revision: i64,
    pub etag: String,
    /// For `?after=`.
    pub after: String,
    /// An earlier request of the same operation did it.
    pub replayed: bool,
}

/// A request as its stream tells it.
struct Loaded {
    state: State,
    requester: Option<PersonId>,
    revision: i64,
    position: i64,
}

impl Organisation {
    /// Does an act on a request. `expected`: the ETag of the version that the caller acts on.
    pub async fn execute(
        &self,
        actor: &str,
        request: RequestId,
        act: Act,
        expected: Option<&str>,
        operation: Option<OperationKey>,
    ) -> Result<Executed, ExecuteError> {
        let operation = operation.map(|key| key.hashed(&self.0.vault, actor));
        let expected = expected.map(|etag| self.read_etag(request, etag)).transpose();
        let expected = expected.map_err(|_| ExecuteError::ForeignEtag)?;
        let mut retries = 0..RETRIES;
        loop {
            let loaded = self.load(request).await?.ok_or(ExecuteError::NotFound)?;
            // Looked up after the request was read, never before: what this operation did itself, sent twice at once, would
            // otherwise stand in its own way, as a stale version or as a refusal.
            if let Some(written) = self.written_before(operation.as_ref()).await? {
                return Ok(self.executed(request, written.revision_of(&request.stream()), written.last, true));
            }
            if expected.is_some_and(|expected| expected != loaded.revision) {
                return Err(ExecuteError::PreconditionFailed { current: self.etag(request, loaded.revision) });
            }
            match self.try_execute(actor, request, loaded, act.clone(), operation).await {
                // With a version expected, the next turn says which one it is now.
                Err(ExecuteError::Conflict) if retries.next().is_some() => {}
                done => return done,
            }
        }
    }

    async fn try_execute(
        &self,
        actor: &str,
        request: RequestId,
        loaded: Loaded,
        act: Act,
        operation: Option<Operation>,
    ) -> Result<Executed, ExecuteError> {
        let mut draft = Draft::new(actor, operation.as_ref());
        let act = self.with_facts(act, &mut draft).await?;
        let command = Command { rules: self.rules(), at: self.now(), act };
        let events = Request::decide(&loaded.state, command).map_err(|refusal| {
            let problems = problems::of_request(&refusal);
            if problems.is_empty() { ExecuteError::Refused(refusal.code()) } else { ExecuteError::Invalid { problems } }
        })?;
        if events.is_empty() {
            return Ok(self.executed(request, loaded.revision, loaded.position, false));
        }
        let stream = request.stream();
        draft.write(stream.clone(), Expected::Revision(loaded.revision), self.with_ids(events));
        self.seal_matter(&mut draft, &stream, loaded.requester).await?;
        let written = self.append(draft, operation).await?;
        Ok(self.executed(request, written.revision_of(&stream), written.last, written.replayed))
    }

    /// Looks up what the decision has to know of other streams; the append then expects them unchanged.
    async fn with_facts(&self, act: Act, draft: &mut Draft) -> Result<Act, StorageError> {
        let Act::LinkAsDuplicate { of, .. } = act else { return Ok(act) };
        let original = self.load(of).await?;
        if let Some(original) = &original {
            draft.check(of.stream(), Expected::Revision(original.revision));
        }
        Ok(Act::LinkAsDuplicate { of, original: original.and_then(|original| original.state.status()) })
    }

    /// Under the key of whoever asked, or of the matter where there is nobody, or nobody any more.
    async fn seal_matter(
        &self,
        draft: &mut Draft,
        stream: &str,
        requester: Option<PersonId>,
    ) -> Result<(), WriteError> {
        if !draft.holds_plain(stream) {
            return Ok(());
        }
        let of_person = match requester {
            Some(person) => self.0.vault.key_for(&person.stream()).await,
            None => Err(VaultError::Destroyed),
        };
        let key = match of_person {
            Err(VaultError::Destroyed) => self.0.vault.key_for(stream).await?,
            of_person => of_person?,
        };
        draft.seal(stream, &key);
        Ok(())
    }

    /// `None` where nothing was submitted.
    async fn load(&self, request: RequestId) -> Result<Option<Loaded>, StorageError> {
        let mut loaded = None;
        let mut state = Request::initial();
        let mut requester = None;
        for event in self.stream(&request.stream()).await? {
            let Event::Request(body) = &event.body else { continue };
            if let domain::request::Event::Submitted(submitted) = body {
                requester = submitted.requester;
            }
            state = Request::evolve(state, body);
            loaded = Some((event.revision, event.position));
        }
        Ok(loaded.map(|(revision, position)| Loaded { state, requester, revision, position }))
    }

    fn executed(&self, request: RequestId, revision: i64, position: i64, replayed: bool) -> Executed {
        let (etag, after) = (self.etag(request, revision), self.after_token(position));
        Executed { revision, etag, after, replayed }
    }
}
