-- The head of a log: the row every append compares and swaps, hence the only lock there is (docs/decisions/0002).
-- Half-empty pages keep its updates on one page, and eager vacuum keeps that page small.
create table log_head (
    log integer not null primary key,
    epoch uuid not null,
    position bigint not null,
    hash bytea not null,
    recorded_at timestamptz not null
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- What is known of each stream by its name. Derived from the events: `first_position` is that of the first one, `truncated_before`
-- hides older revisions from stream reads, a tombstone ends the stream. Where it stands is the revision of its last event, so
-- that an append changes no row.
create table stream (
    log integer not null,
    truncated_before integer not null,
    first_position bigint not null,
    tombstoned boolean not null,
    name text collate "C" not null,
    primary key (log, name)
);

-- The facts, never changed and never removed. docs/log-format.md says how the hash covers each column. A stream's name stands in
-- its first event alone; all its events, that one too, carry the position of the first as `stream` (docs/decisions/0009).
-- Columns stand by what they are aligned to and none is null, so that no byte is lost between them or to a bitmap of nulls.
create table event (
    log integer not null,
    revision integer not null,
    position bigint not null,
    stream bigint not null,
    recorded_at timestamptz not null,
    schema smallint not null,
    id uuid not null,
    hash bytea not null,
    kind text collate "C" not null,
    stream_name text collate "C" not null,
    meta bytea not null,
    payload bytea not null,
    primary key (log, position) with (fillfactor = 100),
    unique (log, stream, revision)
);

-- Whether a stream already holds an id is asked before every append to it. The number of the stream leads, because ids are
-- random: the entries of streams that are written now lie together, on a few pages (docs/decisions/0012).
create unique index event_id on event (log, stream, id);

-- Sealed payloads do not compress; trying costs time on every append.
alter table event
    alter column payload set storage external,
    alter column meta set storage external;

-- Client operations and the positions they wrote, so that a repeated one gets its first answer.
create table operation (
    log integer not null,
    first_position bigint not null,
    last_position bigint not null,
    id bytea not null,
    fingerprint bytea,
    primary key (log, id)
);
