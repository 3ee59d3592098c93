-- One batch, one round trip. $1 log; $2 $3 $4 the head as the writer believes it; $5 $6 $7 the head afterwards.
-- Nothing here locks but the update of the head row. Under read committed a second writer waits for it, finds the row
-- changed, and its update matches nothing; then `head` is empty and so is every insert that draws from it.
--
-- Each look-up is a `lateral` that the planner cannot dissolve: one probe of the key for each thing asked, whatever it believes. A
-- plain join, planned while the tables were empty and kept, read the whole table for each batch until the next `analyze`.
-- What stands between a mark and its end is left out for a batch that has nothing of it.
-- The row of `asked.stream` stands where its mark is: postgres.rs has the text of both.
with
-- operations
known_operation as materialized (
    select o.id, o.fingerprint, o.first_position, o.last_position
    from unnest($8::bytea[]) as asked (id)
    cross join lateral (
        select id, fingerprint, first_position, last_position from operation where log = $1 and id = asked.id limit 1
    ) as o
),
-- end
-- events
known_event as materialized (
    select asked.stream, e.id, e.revision, e.position
    from unnest($12::text[], $13::bigint[], $14::uuid[]) as asked (stream, first_position, id)
    cross join lateral (
        select id, revision, position
        from event
        where log = $1
            and stream = coalesce(
                asked.first_position, (select first_position from stream where log = $1 and name = asked.stream)
            )
            and id = asked.id
        limit 1
    ) as e
),
-- end
-- assumed
wrong_stream as materialized (
    select asked.stream, s.first_position, s.revision, s.truncated_before, s.tombstoned
    from unnest($15::text[], $16::bigint[]) as asked (stream, revision)
    left join lateral (@stream) as s on true
    where coalesce(s.revision, -1) <> asked.revision or s.truncated_before <> 0 or s.tombstoned
),
-- end
head as (
    update log_head
    set position = $5, hash = $6, recorded_at = $7
    where log = $1 and epoch = $2 and position = $3 and hash = $4
-- operations
        and not exists (select from known_operation)
-- end
-- events
        and not exists (select from known_event)
-- end
-- assumed
        and not exists (select from wrong_stream)
-- end
    returning log
), new_event as (
    -- A stream that was assumed is known here alone.
    insert into event (
        log, schema, position, stream, revision, recorded_at, id, hash, kind, stream_name, meta, payload
    )
    select head.log, batch.schema, $3 + batch.ordinal,
        coalesce(batch.stream, (select first_position from stream where log = $1 and name = batch.name)),
        batch.revision, $7, batch.id, batch.hash, batch.kind, case batch.revision when 0 then batch.name else '' end,
        batch.meta, batch.payload
    from head, unnest($17::bigint[], $18::text[], $19::bigint[], $20::uuid[], $21::text[], $22::integer[], $23::bytea[],
        $24::bytea[], $25::bytea[])
        with ordinality as batch (stream, name, revision, id, kind, schema, payload, meta, hash, ordinal)
)
-- new
, new_stream as (
    insert into stream (log, tombstoned, first_position, truncated_before, name)
    select head.log, batch.tombstoned, batch.first_position, batch.truncated_before, batch.name
    from head, unnest($26::bigint[], $27::text[], $28::bigint[], $29::boolean[])
        as batch (first_position, name, truncated_before, tombstoned)
)
-- end
-- hidden
, hidden_stream as (
    update stream
    set truncated_before = batch.truncated_before, tombstoned = batch.tombstoned
    from head, unnest($30::text[], $31::bigint[], $32::boolean[]) as batch (name, truncated_before, tombstoned)
    cross join lateral (select ctid as place from stream where log = $1 and name = batch.name limit 1) as found
    where stream.ctid = found.place
)
-- end
-- operations
, new_operation as (
    insert into operation (log, first_position, last_position, id, fingerprint)
    select head.log, batch.first_position, batch.last_position, batch.id, batch.fingerprint
    from head, unnest($8::bytea[], $9::bytea[], $10::bigint[], $11::bigint[])
        as batch (id, fingerprint, first_position, last_position)
)
-- end
select 'committed', null::text, null::uuid, null::bytea, null::bytea, 0::bigint, 0::bigint, null::bigint, false from head
-- operations
union all
select 'operation', null, null, id, fingerprint, first_position, last_position, null, false from known_operation
-- end
-- events
union all
select 'event', stream, id, null, null, revision, position, null, false from known_event
-- end
-- assumed
union all
select 'stream', stream, null, null, null, coalesce(revision, -1), coalesce(truncated_before, 0), first_position,
    coalesce(tombstoned, false)
from wrong_stream
-- end
