-- Which code a stack belongs to, where a person said so.

create table adoptions (
    stack text collate "C" primary key,
    -- in lower case
    repository text not null,
    branch text not null,
    path text not null,
    name text not null,
    at timestamptz not null default now()
);
