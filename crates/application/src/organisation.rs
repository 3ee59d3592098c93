//! One organisation: its log, its vault, its rules. Everything that is asked of it hangs on [`Organisation`].
//!
//! What it does is told next door: `submit` a request, `execute` an act on one, `history` of an imported one, `people`,
//! `access` to what is sealed.

use std::sync::Arc;

use domain::{
    codec::{DeclarationEvent, Event},
    declaration::Declaration,
    ids::RequestId,
    number::{self, Number},
    rules::Rules,
    time::Instant,
};
use event_store::{Direction, EventStore, From};
use vault::{ForeignToken, Vault};

use crate::{
    clock::{Clock, Ids},
    declarations::{self, Declarations, Following, sha256_hex},
    errors::{PublishError, StorageError, WriteError},
    writing::Draft,
};

/// The actor of what the program itself writes.
pub const PROGRAM: &str = "usr_guichet";

/// Cheap to clone.
#[derive(Clone)]
pub struct Organisation(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) store: EventStore,
    pub(crate) vault: Vault,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    declarations: Arc<Declarations>,
    _following: Following,
}

impl Organisation {
    /// Publishes what is new of `published` (each a declaration and the text it was read from), then follows the log.
    /// An organisation without any declaration does not start.
    pub async fn start(
        store: EventStore,
        vault: Vault,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        published: Vec<(Declaration, String)>,
    ) -> Result<Self, PublishError> {
        let declarations = Arc::new(Declarations::of(store.slug()));
        declarations.catch_up(&store).await?;
        let following = declarations::follow(declarations.clone(), &store);
        let inner = Inner { store, vault, clock, ids, declarations, _following: following };
        let organisation = Self(Arc::new(inner));
        for (declaration, text) in published {
            organisation.publish(declaration, text).await?;
        }
        match organisation.0.declarations.rules() {
            Some(_) => Ok(organisation),
            None => Err(PublishError::NoDeclaration { organisation: organisation.slug().to_owned() }),
        }
    }

    pub fn slug(&self) -> &str {
        self.0.store.slug()
    }

    /// The log's id in the directory.
    pub fn log_id(&self) -> i32 {
        self.0.vault.log_id()
    }

    pub fn now(&self) -> Instant {
        self.0.clock.now()
    }

    /// Every version of its declarations, as the log tells them.
    pub fn rules(&self) -> Arc<Rules> {
        self.0.declarations.rules().expect("an organisation does not start without a declaration")
    }

    /// Appends a new version to the log. `false` when that text is published already; another text for a published
    /// version is refused, for promises were made by it.
    pub async fn publish(&self, declaration: Declaration, text: String) -> Result<bool, PublishError> {
        if declaration.organisation.slug.as_str() != self.slug() {
            return Err(PublishError::AnotherOrganisation {
                expected: self.slug().to_owned(),
                found: declaration.organisation.slug,
                version: declaration.version,
            });
        }
        let known = &self.0.declarations;
        loop {
            if known.is_published(&declaration, &text)? {
                return Ok(false);
            }
            let published = DeclarationEvent::Published {
                at: declaration.calendar.local(self.now()),
                version: declaration.version.clone(),
                sha256: sha256_hex(&text),
                text: text.clone(),
                rules: Box::new(declaration.clone()),
            };
            let mut draft = Draft::new(PROGRAM, None);
            draft.write(known.stream().to_owned(), known.expected(), self.with_ids([published]));
            match self.append(draft, None).await {
                Ok(_) => {
                    known.catch_up(&self.0.store).await?;
                    return Ok(true);
                }
                // Another process published meanwhile, perhaps this very file: the stream says what.
                Err(WriteError::Conflict { .. }) => known.catch_up(&self.0.store).await?,
                Err(error) => return Err(PublishError::Append { version: declaration.version, source: error.into() }),
            }
        }
    }

    /// The request of a public number, as a person reads it out; `None` for anything else.
    pub async fn resolve(&self, number: &str) -> Result<Option<RequestId>, StorageError> {
        let Ok(number) = number.parse::<Number>() else { return Ok(None) };
        let first = self.0.store.read_stream(&number.stream(), From::Start, Direction::Forward, 1).await;
        let Some(record) = first.map_err(StorageError::new)?.into_iter().next() else { return Ok(None) };
        match Event::decode(&record.kind, record.schema, &record.payload).map_err(StorageError::new)? {
            Event::Number(number::Event::Reserved { request }) => Ok(Some(request)),
            _ => Ok(None),
        }
    }

    /// An opaque token of this organisation: the same value gives the same token, another kind refuses it.
    pub fn token(&self, kind: &str, value: &[u8]) -> String {
        self.0.vault.tokens().seal(kind, value)
    }

    pub fn read_token(&self, kind: &str, token: &str) -> Result<Vec<u8>, ForeignToken> {
        self.0.vault.tokens().open(kind, token)
    }

    /// What `?after=` takes: a list that waits for it shows what was written there.
    pub fn after_token(&self, position: i64) -> String {
        self.token("after", &position.to_be_bytes())
    }

    pub fn read_after(&self, token: &str) -> Result<i64, ForeignToken> {
        self.read_token("after", token).and_then(number_of)
    }

    /// The version of a request, without quotes; it is of no other request.
    pub fn etag(&self, request: RequestId, revision: i64) -> String {
        self.token(&etag_kind(request), &revision.to_be_bytes())
    }

    /// The revision that an ETag of that request names.
    pub fn read_etag(&self, request: RequestId, etag: &str) -> Result<i64, ForeignToken> {
        self.read_token(&etag_kind(request), etag).and_then(number_of)
    }
}

fn etag_kind(request: RequestId) -> String {
    format!("etag {request}")
}

fn number_of(value: Vec<u8>) -> Result<i64, ForeignToken> {
    value.try_into().map(i64::from_be_bytes).map_err(|_| ForeignToken)
}
