//! Many rows in one statement: as `copy` where a key that already stands is an error, else as one array for each column.

use bytes::{BufMut, Bytes, BytesMut};
use tokio_postgres::types::Type;

use super::value::{Cells, array_of, sized};
use super::{PostgresError, Session};
use crate::Value;
use crate::bulk::{Column, OnConflict, condition, conflict_clause, list, names};

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// What is sent together: enough for few writes to the socket, little enough that the server works meanwhile.
const CHUNK: usize = 64 * 1024;

pub(super) async fn insert(
    session: &mut Session,
    table: &str,
    columns: &[Column],
    rows: &[Vec<Value>],
    on_conflict: OnConflict<'_>,
) -> Result<u64, PostgresError> {
    if matches!(on_conflict, OnConflict::Fail) {
        let text = format!("copy {table} ({}) from stdin (format binary)", names(columns));
        return session.copy_in(&text, chunks(rows)).await;
    }
    let batch = batch(columns);
    let text = format!(
        "insert into {table} as held ({names}) select {names} from {batch}{conflict}",
        names = names(columns),
        conflict = conflict_clause(columns, on_conflict),
    );
    send(session, &text, columns, rows).await
}

pub(super) async fn delete(
    session: &mut Session,
    table: &str,
    key: &[Column],
    keys: &[Vec<Value>],
    only_if: Option<&str>,
) -> Result<u64, PostgresError> {
    let matches: Vec<_> = key.iter().map(|column| format!("target.{0} = batch.{0}", column.name)).collect();
    let (matches, condition) = (matches.join(" and "), condition(only_if));
    let text = format!("delete from {table} as target using {} where {matches}{condition}", batch(key));
    send(session, &text, key, keys).await
}

async fn send(
    session: &mut Session,
    text: &str,
    columns: &[Column],
    rows: &[Vec<Value>],
) -> Result<u64, PostgresError> {
    let types: Vec<Type> = columns.iter().map(|column| array_of(column.kind)).collect();
    session.touched(text, &types, (0..columns.len()).map(|column| Cells { rows, column })).await
}

fn batch(columns: &[Column]) -> String {
    let arrays = (1..=columns.len()).map(|number| format!("${number}"));
    format!("unnest({}) as batch ({})", list(arrays), names(columns))
}

/// The rows in `copy`'s binary format, some at a time.
fn chunks(rows: &[Vec<Value>]) -> impl Iterator<Item = Result<Bytes, PostgresError>> {
    let mut rows = rows.iter();
    let mut out = BytesMut::with_capacity(CHUNK);
    out.put_slice(SIGNATURE);
    out.put_i32(0); // flags
    out.put_i32(0); // nothing more in the header
    let mut ended = false;
    std::iter::from_fn(move || {
        while !ended && out.len() < CHUNK {
            let Some(row) = rows.next() else {
                out.put_i16(-1);
                ended = true;
                break;
            };
            out.put_i16(row.len() as i16); // a table has at most 1,600 columns
            for value in row {
                if let Err(unsendable) = sized(value, &mut out) {
                    return Some(Err(unsendable.into()));
                }
            }
        }
        (!out.is_empty()).then(|| Ok(out.split().freeze()))
    })
}
