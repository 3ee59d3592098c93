-- The head of a log: the row every append compares and swaps, hence the only lock there is (docs/decisions/0002).
create table log_head (
    log integer not null primary key,
    epoch text not null,
    position integer not null,
    hash blob not null,
    recorded_at text not null
) strict;

-- What is known of each stream by its name. Derived from the events: `first_position` is that of the first one, `truncated_before`
-- hides older revisions from stream reads, a tombstone ends the stream. Where it stands is the revision of its last event, so
-- that an append changes no row.
create table stream (
    log integer not null,
    truncated_before integer not null,
    first_position integer not null,
    tombstoned integer not null,
    name text not null,
    primary key (log, name)
) strict, without rowid;

-- The facts, never changed and never removed. docs/log-format.md says how the hash covers each column. A stream's name stands in
-- its first event alone; all its events, that one too, carry the position of the first as `stream` (docs/decisions/0009).
create table event (
    log integer not null,
    revision integer not null,
    position integer not null,
    stream integer not null,
    recorded_at text not null,
    schema integer not null,
    id text not null,
    hash blob not null,
    kind text not null,
    stream_name text not null,
    meta blob not null,
    payload blob not null,
    primary key (log, position),
    unique (log, stream, revision)
) strict;

-- Whether a stream already holds an id is asked before every append to it. The number of the stream leads, because ids are
-- random: the entries of streams that are written now lie together, on a few pages (docs/decisions/0012).
create unique index event_id on event (log, stream, id);

-- Client operations and the positions they wrote, so that a repeated one gets its first answer.
create table operation (
    log integer not null,
    first_position integer not null,
    last_position integer not null,
    id blob not null,
    fingerprint blob,
    primary key (log, id)
) strict, without rowid;
