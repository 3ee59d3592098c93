//! On PostgreSQL.

use anyhow::Context;
use futures_util::{TryStreamExt, pin_mut};
use tokio_postgres::{Client, NoTls, Row, types::ToSql};

use super::{DirectoryRow, EventRow, HeadRow, OperationRow, StreamRow, Visit};

const INSTANT: &str = r#"'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'"#;

pub(super) async fn visit(url: &str, slug: &str, visitor: &mut (dyn Visit + Send)) -> anyhow::Result<()> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.context("connect to PostgreSQL")?;
    let driver = tokio::spawn(connection);
    let read = read(&client, slug, visitor).await;
    drop(client);
    let _ = driver.await; // what it has to say, the reading has met
    read
}

async fn read(client: &Client, slug: &str, visitor: &mut (dyn Visit + Send)) -> anyhow::Result<()> {
    client.batch_execute("set search_path = guichet; begin isolation level repeatable read read only").await?;
    let sql = "select id::bigint, convert_to(epoch::text, 'UTF8') from log_directory where slug = $1";
    let rows = client.query(sql, &[&slug]).await?;
    let directory: Vec<_> = rows.iter().map(|row| DirectoryRow { log: row.get(0), epoch: row.get(1) }).collect();
    let Some(log) = directory.first().and_then(|row| i32::try_from(row.log).ok()) else {
        visitor.directory(directory, vec![]);
        return Ok(());
    };
    let sql = format!(
        "select convert_to(epoch::text, 'UTF8'), position, hash,
             convert_to(to_char(recorded_at at time zone 'UTC', {INSTANT}), 'UTF8')
         from log_head
         where log = $1::integer"
    );
    let heads = client.query(&sql, &[&log]).await?;
    let head =
        |row: &Row| HeadRow { epoch: row.get(0), position: row.get(1), hash: row.get(2), recorded_at: row.get(3) };
    visitor.directory(directory, heads.iter().map(head).collect());

    let sql = format!(
        "select position, stream, convert_to(nullif(stream_name, ''), 'UTF8'), revision::bigint, convert_to(id::text, 'UTF8'), convert_to(kind, 'UTF8'),
             schema::bigint, payload, meta, convert_to(to_char(recorded_at at time zone 'UTC', {INSTANT}), 'UTF8'), hash
         from event
         where log = $1::integer
         order by position"
    );
    each(client, &sql, log, |row| {
        visitor.event(EventRow {
            position: row.get(0),
            stream: row.get(1),
            name: row.get(2),
            revision: row.get(3),
            id: row.get(4),
            kind: row.get(5),
            schema: row.get(6),
            payload: row.get(7),
            meta: row.get(8),
            recorded_at: row.get(9),
            hash: row.get(10),
        });
    })
    .await?;
    let sql = "select convert_to(name, 'UTF8'), first_position, truncated_before::bigint, tombstoned from stream where log = $1::integer";
    each(client, sql, log, |row| {
        visitor.stream(StreamRow {
            name: row.get(0),
            first: row.get(1),
            truncated_before: row.get(2),
            tombstoned: row.get(3),
        });
    })
    .await?;
    let sql = "select id, fingerprint, first_position, last_position from operation where log = $1::integer order by first_position";
    each(client, sql, log, |row| {
        let (first, last) = (row.get(2), row.get(3));
        visitor.operation(OperationRow { id: row.get(0), fingerprint: row.get(1), first, last });
    })
    .await
}

async fn each(client: &Client, sql: &str, log: i32, mut hand: impl FnMut(&Row)) -> anyhow::Result<()> {
    let rows = client.query_raw(sql, [&log as &(dyn ToSql + Sync)]).await?;
    pin_mut!(rows);
    while let Some(row) = rows.try_next().await? {
        hand(&row);
    }
    Ok(())
}
