//! The blind index: finds a subject by e-mail, telephone or a word of a name without storing any of them.
//!
//! Holds keyed hashes of normalised terms under the log's own `blind` key. They stand beside the subject's key and go with it.

use std::collections::BTreeSet;
use std::iter;

use db::{Db, Dialects, Statement, Value};

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

/// Subjects of any of the tokens. To group a column by its index SQLite would walk over everybody; an expression leaves it the
/// tokens to search by. PostgreSQL would walk over everybody, too, by a plan made before the first `analyze`: it believes that a
/// log has a two-hundredth of the rows. One question for each token, in an order that the key alone has, leaves it no choice.
const FIND: Dialects = Dialects {
    sqlite: "
        select subject
        from (
            select coalesce(subject, '') as subject, field
            from blind_index
            where log = $1 and token in ($2, $3, $4, $5, $6, $7, $8, $9)
        ) as found
        group by subject
        having count(*) >= $10
        order by count(*) desc, min(field), subject
        limit $11",
    postgres: "
        select subject
        from unnest(array[$2, $3, $4, $5, $6, $7, $8, $9]::bytea[]) as asked (token)
        cross join lateral (
            select field, subject from blind_index where log = $1 and token = asked.token order by field, subject
        ) as found
        group by subject
        having count(*) >= $10
        order by count(*) desc, min(field), subject
        limit $11",
};
const OF_SUBJECT: &str = "select token from blind_index where log = $1 and subject = $2 order by token";

/// Subjects that have `at_least` of the terms: those that have most of them first, then e-mail before telephone.
pub(crate) async fn find(
    db: &Db,
    log: i32,
    hashes: &[TermHash],
    at_least: usize,
    limit: usize,
) -> Result<Vec<String>, VaultError> {
    if hashes.is_empty() {
        return Ok(Vec::new());
    }
    // A term that is given twice is one.
    let asked: BTreeSet<&[u8; 32]> = hashes.iter().take(ASKED).map(|term| &term.hash).collect();
    let mut values = vec![log.into()];
    // One text for any number of terms: in the places that are left stands what nobody has.
    values.extend(asked.into_iter().copied().map(Some).chain(iter::repeat(None)).take(ASKED).map(Value::from));
    values.extend([
        i64::try_from(at_least.min(ASKED)).unwrap_or(1).into(),
        i64::try_from(limit).unwrap_or(i64::MAX).into(),
    ]);
    let statement = Statement::per_dialect(FIND, values);
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
            for (sql, values, by) in
                [(FIND.sqlite, 11, "(log=? AND token=?)"), (OF_SUBJECT, 2, "(log=? AND subject=?)")]
            {
                let plan: &str = Box::leak(format!("explain query plan {sql}").into());
                let plan = Statement::new(plan, vec![0.into(); values]);
                let steps: Vec<(i64, i64, i64, String)> = vault.fetch_all(plan).await.expect("a plan");
                let read: Vec<_> = steps.iter().filter(|step| step.3.contains("blind_index")).collect();
                assert!(!read.is_empty() && read.iter().all(|step| step.3.ends_with(by)), "{steps:?}");
            }
        });
    }

    /// PostgreSQL keeps the plan of a look-up by key until the next `analyze`: it must be good whatever the table held when it was made,
    /// and whatever was known of it.
    #[test]
    fn nobody_is_found_by_walking_over_everybody_whenever_it_is_planned() {
        testkit::run(Dialect::Postgres, async |fresh| {
            let entry = fresh.create_log("quebec").await.expect("a log");
            let vault = fresh.vault(&entry).await.expect("its vault");
            let people = |from: i64, to: i64| {
                let insert = "insert into blind_index (log, field, token, subject)
                    select 1, case i % 2 when 0 then 'email' else 'phone' end, sha256(i::text::bytea), 'person-' || i / 2
                    from generate_series($1::bigint, $2::bigint) as i";
                vault.execute(Statement::new(insert, vec![from.into(), to.into()]))
            };
            let mut values: Vec<Value> = vec![1_i64.into()];
            values.extend([Some([7; 32]), None].into_iter().cycle().take(ASKED).map(Value::from));
            values.extend([1_i64.into(), 2_i64.into()]);
            let by_subject: Vec<Value> = vec![1_i64.into(), "person-1".into()];
            for step in 0..6 {
                match step {
                    0 => {}
                    1 => assert_eq!(people(1, 4_000).await.expect("rows, and nobody has looked at them"), 4_000),
                    2 => vault.script("truncate blind_index; analyze blind_index").await.expect("known to be empty"),
                    3 => assert_eq!(people(1, 1).await.expect("a row"), 1),
                    4 => vault.script("analyze blind_index").await.expect("known to hold one row"),
                    _ => assert_eq!(people(2, 4_000).await.expect("rows"), 3_999),
                }
                let looked_up = [
                    (FIND.postgres, &values, "blind_index_pkey", "(token = "),
                    (OF_SUBJECT, &by_subject, "blind_index_subject", "(subject = "),
                ];
                for (sql, values, index, by) in looked_up {
                    let plan = Statement::composed(format!("explain {sql}"), values.clone()).by_key();
                    let lines: Vec<(String,)> = vault.fetch_all(plan).await.expect("a plan");
                    let with =
                        |word| lines.iter().map(|line| &line.0).filter(|line| line.contains(word)).collect::<Vec<_>>();
                    let (reads, bounds) = (with("on blind_index"), with("Cond:"));
                    let right = reads.len() == 1 && reads[0].contains(&format!("using {index} ")) && bounds.len() == 1;
                    assert!(right && bounds[0].contains(by), "step {step}: {lines:#?}");
                }
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
