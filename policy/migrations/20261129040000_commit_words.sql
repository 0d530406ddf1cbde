-- What people said about commits, by reviews at their host, before gates of theirs were asked.

create table commit_words (
    id uuid not null,
    -- Without capitals.
    repository text not null,
    pull_request bigint not null,
    commit_hash text not null,
    by text not null,
    word text not null,
    note text,
    -- When it was said.
    at timestamptz not null,
    -- When it was kept here.
    kept_at timestamptz not null,
    constraint commit_words_once primary key (id)
);

create index commit_words_newest on commit_words (kept_at);

-- Gates that wait, by their commit: a word about it may concern them.
create index gates_open_of_commit on gates ((request->'change'->>'commit')) where not final;
