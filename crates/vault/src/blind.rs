//! The blind index: finds a subject by e-mail, telephone or a word of a name without storing any of them.
//!
//! Holds keyed hashes of normalised terms under the log's own `blind` key. They stand beside the subject's key and go with it.

use db::{Db, Statement};

use crate::{error::VaultError, normalise, secret::keyed_hash};

/// What a term is a term of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    Email,
    Phone,
    Name,
}

impl Field {
    /// Stored, and hashed with the value: never renamed.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Name => "name",
        }
    }
}

/// A normalised value of a field, as it is compared. Personal: never printed, never stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Term {
    pub field: Field,
    value: String,
}

/// A term as the database knows it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TermHash {
    pub(crate) field: Field,
    pub(crate) hash: [u8; 32],
}

impl Term {
    /// `None` when the text is no address.
    pub fn email(text: &str) -> Option<Self> {
        normalise::email(text).map(|value| Self { field: Field::Email, value })
    }

    /// `None` when the text is no complete number.
    pub fn phone(text: &str) -> Option<Self> {
        normalise::phone(text).map(|value| Self { field: Field::Phone, value })
    }

    /// One term for each word.
    pub fn name(text: &str) -> Vec<Self> {
        normalise::name_tokens(text).into_iter().map(|value| Self { field: Field::Name, value }).collect()
    }

    pub(crate) fn hash(&self, blind_key: &[u8; 32]) -> TermHash {
        let hash = keyed_hash(blind_key, &[self.field.as_str().as_bytes(), self.value.as_bytes()]);
        TermHash { field: self.field, hash }
    }
}

/// A question holds at most this many terms; what comes after them is not asked.
const ASKED: usize = 8;

/// To group a column by its index SQLite would walk over everybody; an expression leaves it the tokens to search by.
const FIND: &str = "
    select subject
    from (
        select coalesce(subject, '') as subject, field
        from blind_index
        where log = $1 and token in ($2, $3, $4, $5, $6, $7, $8, $9)
    ) as found
    group by subject
    having count(*) >= $10
    order by count(*) desc, min(field), subject
    limit $11";
const OF_SUBJECT: &str = "select token from blind_index where log = $1 and subject = $2 order by token";

/// Subjects that have `at_least` of the terms: those that have most of them first, then e-mail before telephone.
pub(crate) async fn find(
    db: &Db,
    log: i32,
    hashes: &[TermHash],
    at_least: usize,
    limit: usize,
) -> Result<Vec<String>, VaultError> {
    let Some(first) = hashes.first() else { return Ok(Vec::new()) };
    let mut values = vec![log.into()];
    // One text for any number of terms: the places that are left repeat the first.
    values.extend((0..ASKED).map(|at| hashes.get(at).unwrap_or(first).hash.to_vec().into()));
    values.extend([
        i64::try_from(at_least.min(ASKED)).unwrap_or(1).into(),
        i64::try_from(limit).unwrap_or(i64::MAX).into(),
    ]);
    let statement = Statement::new(FIND, values);
    // A word of a name may be everybody's; an address and a number are few people's.
    let statement = if hashes.iter().any(|term| term.field == Field::Name) { statement } else { statement.by_key() };
    let rows: Vec<(String,)> = db.fetch_all(statement).await?;
    Ok(rows.into_iter().map(|(subject,)| subject).collect())
}

/// Hashes of every term a subject has.
pub(crate) async fn of(db: &Db, log: i32, subject: &str) -> Result<Vec<Vec<u8>>, VaultError> {
    let statement = Statement::new(OF_SUBJECT, vec![log.into(), subject.into()]);
    let rows: Vec<(Vec<u8>,)> = db.fetch_all(statement.by_key()).await?;
    Ok(rows.into_iter().map(|(hash,)| hash).collect())
}

#[cfg(test)]
mod tests {
    use db::Dialect;

    use super::*;

    /// Without statistics SQLite may take an index that holds all it needs before one that finds what it needs: a look-up that
    /// walks over everybody is right, and slow once there is everybody.
    #[test]
    fn nobody_is_found_by_walking_over_everybody() {
        testkit::run(Dialect::Sqlite, async |fresh| {
            let entry = fresh.create_log("quebec").await.expect("a log");
            let vault = fresh.vault(&entry).await.expect("its vault");
            for (sql, values, by) in [(FIND, 11, "(log=? AND token=?)"), (OF_SUBJECT, 2, "(log=? AND subject=?)")] {
                let plan: &str = Box::leak(format!("explain query plan {sql}").into());
                let plan = Statement::new(plan, vec![0.into(); values]);
                let steps: Vec<(i64, i64, i64, String)> = vault.fetch_all(plan).await.expect("a plan");
                let read: Vec<_> = steps.iter().filter(|step| step.3.contains("blind_index")).collect();
                assert!(!read.is_empty() && read.iter().all(|step| step.3.ends_with(by)), "{steps:?}");
            }
        });
    }

    #[test]
    fn a_term_is_another_hash_under_another_key() {
        let email = Term::email("elodie@example.org").expect("an address");
        assert!(email.hash(&[1; 32]) == email.hash(&[1; 32]));
        assert!(
            email.hash(&[1; 32]) != email.hash(&[2; 32]),
            "whoever has the table alone can look addresses up in it"
        );
    }

    #[test]
    fn the_same_text_is_another_term_in_another_field() {
        let term = |field| Term { field, value: "14186416000".to_owned() };
        assert!(term(Field::Phone).hash(&[1; 32]).hash != term(Field::Name).hash(&[1; 32]).hash);
    }
}
