-- Who followed up a broken glass, and what came of it. It is known by its chain, who broke it and
-- when: what was carried to other gates of the chain is the same.

create table override_follow_ups (
    chain uuid not null,
    broken_by text not null,
    broken_at timestamptz not null,
    by text not null,
    note text not null,
    at timestamptz not null,
    constraint override_follow_ups_once primary key (chain, broken_by, broken_at)
);
