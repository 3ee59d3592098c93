-- The head of a log: the row every append compares and swaps, hence the only lock there is (docs/decisions/0002).
-- Half-empty pages keep its updates on one page, and eager vacuum keeps that page small.
create table log_head (
    log bigint not null primary key,
    epoch uuid not null,
    position bigint not null,
    hash bytea not null,
    recorded_at timestamptz not null
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- Where each stream stands. Derived from the events, kept so that an append reads one row: `revision` is the last one,
-- `truncated_before` hides older revisions from stream reads, a tombstone ends the stream.
create table stream (
    log bigint not null,
    stream text collate "C" not null,
    revision bigint not null,
    truncated_before bigint not null,
    tombstoned boolean not null,
    primary key (log, stream)
) with (fillfactor = 80);

-- The facts, never changed and never removed. docs/log-format.md says how the hash covers each column.
create table event (
    log bigint not null,
    position bigint not null,
    stream text collate "C" not null,
    revision bigint not null,
    id uuid not null,
    kind text collate "C" not null,
    schema integer not null,
    payload bytea not null,
    meta bytea not null,
    recorded_at timestamptz not null,
    hash bytea not null,
    primary key (log, position),
    unique (log, stream, revision),
    unique (log, stream, id)
);

-- Sealed payloads do not compress; trying costs time on every append.
alter table event
    alter column payload set storage external,
    alter column meta set storage external;

-- Client operations and the positions they wrote, so that a repeated one gets its first answer.
create table operation (
    log bigint not null,
    id bytea not null,
    fingerprint bytea,
    first_position bigint not null,
    last_position bigint not null,
    primary key (log, id)
);
