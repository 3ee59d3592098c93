//! On SQLite.

use std::path::Path;

use anyhow::Context;
use rusqlite::{Connection, OpenFlags, Row};

use super::{DirectoryRow, EventRow, HeadRow, OperationRow, StreamRow, Visit};

pub(super) fn visit(folder: &Path, slug: &str, visitor: &mut dyn Visit) -> anyhow::Result<()> {
    // The directory is a file of its own: a log is entered there before it is ever opened, so it is read first.
    let server = open(&folder.join("server.db"))?;
    let directory = rows(&server, "select id, cast(epoch as blob) from log_directory where slug = ?1", slug, |row| {
        Ok(DirectoryRow { log: row.get(0)?, epoch: row.get(1)? })
    })?;
    let Some(log) = directory.first().map(|row| row.log) else {
        visitor.directory(directory, vec![]);
        return Ok(());
    };
    let connection = open(&folder.join(slug).join("log.db"))?;
    // Read-only, in one transaction: every statement sees the same log while servers append to it.
    connection.execute_batch("begin")?;
    let heads = rows(
        &connection,
        "select cast(epoch as blob), position, hash, cast(recorded_at as blob) from log_head where log = ?1",
        log,
        |row| Ok(HeadRow { epoch: row.get(0)?, position: row.get(1)?, hash: row.get(2)?, recorded_at: row.get(3)? }),
    )?;
    visitor.directory(directory, heads);
    each(
        &connection,
        "select position, stream, cast(nullif(stream_name, '') as blob), revision, cast(id as blob), cast(kind as blob), schema, payload, meta,
             cast(recorded_at as blob), hash
         from event
         where log = ?1
         order by position",
        log,
        |row| {
            visitor.event(EventRow {
                position: row.get(0)?,
                stream: row.get(1)?,
                name: row.get(2)?,
                revision: row.get(3)?,
                id: row.get(4)?,
                kind: row.get(5)?,
                schema: row.get(6)?,
                payload: row.get(7)?,
                meta: row.get(8)?,
                recorded_at: row.get(9)?,
                hash: row.get(10)?,
            });
            Ok(())
        },
    )?;
    each(
        &connection,
        "select cast(name as blob), first_position, truncated_before, tombstoned from stream where log = ?1",
        log,
        |row| {
            visitor.stream(StreamRow {
                name: row.get(0)?,
                first: row.get(1)?,
                truncated_before: row.get(2)?,
                tombstoned: row.get(3)?,
            });
            Ok(())
        },
    )?;
    each(
        &connection,
        "select id, fingerprint, first_position, last_position from operation where log = ?1 order by first_position",
        log,
        |row| {
            let (id, fingerprint) = (row.get(0)?, row.get(1)?);
            visitor.operation(OperationRow { id, fingerprint, first: row.get(2)?, last: row.get(3)? });
            Ok(())
        },
    )
}

fn open(path: &Path) -> anyhow::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).with_context(|| format!("open {}", path.display()))?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    Ok(connection)
}

fn rows<T>(
    connection: &Connection,
    sql: &str,
    key: impl rusqlite::ToSql,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> anyhow::Result<Vec<T>> {
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([key], |row| read(row))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn each(
    connection: &Connection,
    sql: &str,
    log: i64,
    mut hand: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
) -> anyhow::Result<()> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([log])?;
    while let Some(row) = rows.next()? {
        hand(row)?;
    }
    Ok(())
}
