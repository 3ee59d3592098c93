-- The directory of logs: a slug outside, a small integer inside. `location` names another database the day a log moves
-- to one; null is here. These two tables alone do not start with the log id: a key is presented before its log is known.
create table log_directory (
    id bigint not null primary key,
    slug text collate "C" not null unique,
    epoch uuid not null,
    location text
);

-- API keys, found by the prefix they show; only a hash of the secret is kept.
create table api_key (
    prefix text collate "C" not null primary key,
    log bigint not null,
    role text not null,
    label text not null,
    hash bytea not null,
    created_at timestamptz not null,
    revoked_at timestamptz
);
