-- The directory of logs: a slug outside, a small integer inside. `location` names another database the day a log moves
-- to one; null is here. These two tables alone do not start with the log id: a key is presented before its log is known.
create table log_directory (
    id integer not null primary key,
    slug text not null unique,
    epoch text not null,
    location text
) strict;

-- API keys, found by the prefix they show; only a hash of the secret is kept.
create table api_key (
    prefix text not null primary key,
    log integer not null,
    role text not null,
    label text not null,
    hash blob not null,
    created_at text not null,
    revoked_at text
) strict;
