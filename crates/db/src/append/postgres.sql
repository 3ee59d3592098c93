-- One batch, one round trip. $1 log; $2 $3 $4 the head as the writer believes it; $5 $6 $7 the head afterwards.
-- Nothing here locks but the update of the head row. Under read committed a second writer waits for it, finds the row
-- changed, and its update matches nothing; then `head` is empty and so is every insert that draws from it.
--
-- Each look-up is `lateral … limit 1`: one probe of the key for each thing asked, whatever the planner believes. A plain join,
-- planned while the tables were empty and kept, read the whole table for each batch until the next `analyze`. The look-up of events
-- names an order that only the key on (log, stream, id) has, so that no other index of that table is taken.
with known_operation as materialized (
    select o.id, o.fingerprint, o.first_position, o.last_position
    from unnest($8::bytea[]) as asked (id)
    cross join lateral (
        select id, fingerprint, first_position, last_position from operation where log = $1 and id = asked.id limit 1
    ) as o
), known_event as materialized (
    select e.stream, e.id, e.revision, e.position
    from unnest($12::text[], $13::uuid[]) as asked (stream, id)
    cross join lateral (
        select stream, id, revision, position
        from event
        where log = $1 and stream = asked.stream and id >= asked.id
        order by id
        limit 1
    ) as e
    where e.id = asked.id
), wrong_stream as materialized (
    select asked.stream, s.revision, s.truncated_before, s.tombstoned
    from unnest($14::text[], $15::bigint[]) as asked (stream, revision)
    left join lateral (
        select revision, truncated_before, tombstoned from stream where log = $1 and stream = asked.stream limit 1
    ) as s on true
    where coalesce(s.revision, -1) <> asked.revision or s.truncated_before <> 0 or s.tombstoned
), head as (
    update log_head
    set position = $5, hash = $6, recorded_at = $7
    where log = $1 and epoch = $2 and position = $3 and hash = $4
        and not exists (select from known_operation)
        and not exists (select from known_event)
        and not exists (select from wrong_stream)
    returning log
), new_event as (
    insert into event (log, position, stream, revision, id, kind, schema, payload, meta, recorded_at, hash)
    select head.log, $3 + batch.ordinal, batch.stream, batch.revision, batch.id, batch.kind, batch.schema,
        batch.payload, batch.meta, $7, batch.hash
    from head, unnest($16::text[], $17::bigint[], $18::uuid[], $19::text[], $20::integer[], $21::bytea[], $22::bytea[],
        $23::bytea[]) with ordinality as batch (stream, revision, id, kind, schema, payload, meta, hash, ordinal)
), new_stream as (
    insert into stream (log, stream, revision, truncated_before, tombstoned)
    select head.log, batch.stream, batch.revision, batch.truncated_before, batch.tombstoned
    from head, unnest($24::text[], $25::bigint[], $26::bigint[], $27::boolean[])
        as batch (stream, revision, truncated_before, tombstoned)
), changed_stream as (
    update stream
    set revision = batch.revision, truncated_before = batch.truncated_before, tombstoned = batch.tombstoned
    from head, unnest($28::text[], $29::bigint[], $30::bigint[], $31::boolean[])
        as batch (stream, revision, truncated_before, tombstoned)
    cross join lateral (select ctid as place from stream where log = $1 and stream = batch.stream limit 1) as found
    where stream.ctid = found.place
), new_operation as (
    insert into operation (log, id, fingerprint, first_position, last_position)
    select head.log, batch.id, batch.fingerprint, batch.first_position, batch.last_position
    from head, unnest($8::bytea[], $9::bytea[], $10::bigint[], $11::bigint[])
        as batch (id, fingerprint, first_position, last_position)
)
select 'committed', null::text, null::uuid, null::bytea, null::bytea, 0::bigint, 0::bigint, false from head
union all
select 'operation', null, null, id, fingerprint, first_position, last_position, false from known_operation
union all
select 'event', stream, id, null, null, revision, position, false from known_event
union all
select 'stream', stream, null, null, null, coalesce(revision, -1), coalesce(truncated_before, 0),
    coalesce(tombstoned, false)
from wrong_stream
