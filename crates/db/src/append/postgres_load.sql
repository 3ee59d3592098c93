-- The head of log $1 and what is known of the operations $2, the events ($3, $4) and the streams $5, in one snapshot. postgres.sql says
-- why each look-up is a `lateral` that stays one.
select 'head' as what, null::text as stream, epoch as id, hash as one, null::bytea as two, position as first,
    0::bigint as second, null::bigint as third, false as flag, recorded_at
from log_head
where log = $1
union all
select 'operation', null, null, o.id, o.fingerprint, o.first_position, o.last_position, null, false, null
from unnest($2::bytea[]) as asked (id)
cross join lateral (
    select id, fingerprint, first_position, last_position from operation where log = $1 and id = asked.id limit 1
) as o
union all
select 'event', asked.stream, e.id, null, null, e.revision, e.position, null, false, null
from unnest($3::text[], $4::uuid[]) as asked (stream, id)
cross join lateral (
    select id, revision, position
    from event
    where log = $1 and stream = (select first_position from stream where log = $1 and name = asked.stream) and id = asked.id
    limit 1
) as e
union all
select 'stream', asked.stream, null, null, null, coalesce(s.revision, -1), coalesce(s.truncated_before, 0),
    s.first_position, coalesce(s.tombstoned, false), null
from unnest($5::text[]) as asked (stream)
left join lateral (@stream) as s on true
