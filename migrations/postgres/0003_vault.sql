-- Keys of a log (operation, blind, token), wrapped by the master key so that its rotation orphans nothing.
create table log_key (
    log bigint not null,
    name text collate "C" not null,
    wrapped bytea not null,
    primary key (log, name)
);

-- One key for each subject of personal data. Destroying it (wrapped becomes null) erases every copy at once.
create table subject_key (
    log bigint not null,
    id uuid not null,
    subject text collate "C" not null,
    wrapped bytea,
    destroyed_at timestamptz,
    primary key (log, id),
    unique (log, subject)
);

-- Keyed hashes of normalised e-mail, phone and name tokens, gone with the key of their subject. Whoever looks somebody up has the
-- tokens and asks in every field, so the token leads the key.
create table blind_index (
    log bigint not null,
    field text collate "C" not null,
    token bytea not null,
    subject text collate "C" not null,
    primary key (log, token, field, subject)
);

-- All tokens of a subject. It holds them itself: SQLite would rather read the whole key above than look at a row.
create index blind_index_subject on blind_index (log, subject, token);
