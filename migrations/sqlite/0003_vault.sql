-- Keys of a log (operation, blind, token), wrapped by the master key so that its rotation orphans nothing.
create table log_key (
    log integer not null,
    name text not null,
    wrapped blob not null,
    primary key (log, name)
) strict;

-- One key for each subject of personal data. Destroying it (wrapped becomes null) erases every copy at once.
create table subject_key (
    log integer not null,
    id text not null,
    subject text not null,
    wrapped blob,
    destroyed_at text,
    primary key (log, id),
    unique (log, subject)
) strict;

-- Keyed hashes of normalised e-mail, phone and name tokens, gone with the key of their subject. Whoever looks somebody up has the
-- tokens and asks in every field, so the token leads the key.
create table blind_index (
    log integer not null,
    field text not null,
    token blob not null,
    subject text not null,
    primary key (log, token, field, subject)
) strict;

-- All tokens of a subject. It holds them itself: SQLite would rather read the whole key above than look at a row.
create index blind_index_subject on blind_index (log, subject, token);
