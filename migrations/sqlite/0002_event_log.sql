-- The head of a log: the row every append compares and swaps, hence the only lock there is (docs/decisions/0002).
create table log_head (
    log integer not null primary key,
    epoch text not null,
    position integer not null,
    hash blob not null,
    recorded_at text not null
) strict;

-- Where each stream stands. Derived from the events, kept so that an append reads one row: `revision` is the last one,
-- `truncated_before` hides older revisions from stream reads, a tombstone ends the stream.
create table stream (
    log integer not null,
    stream text not null,
    revision integer not null,
    truncated_before integer not null,
    tombstoned integer not null,
    primary key (log, stream)
) strict;

-- The facts, never changed and never removed. docs/log-format.md says how the hash covers each column.
create table event (
    log integer not null,
    position integer not null,
    stream text not null,
    revision integer not null,
    id text not null,
    kind text not null,
    schema integer not null,
    payload blob not null,
    meta blob not null,
    recorded_at text not null,
    hash blob not null,
    primary key (log, position),
    unique (log, stream, revision),
    unique (log, stream, id)
) strict;

-- Client operations and the positions they wrote, so that a repeated one gets its first answer.
create table operation (
    log integer not null,
    id blob not null,
    fingerprint blob,
    first_position integer not null,
    last_position integer not null,
    primary key (log, id)
) strict;
