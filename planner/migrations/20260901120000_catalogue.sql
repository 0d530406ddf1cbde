-- What the planner knows of the Spacelift account, and what it remembers of each repository.

create table catalogue (
    one_row boolean primary key default true constraint catalogue_has_one_row check (one_row),
    -- rises whenever a stack changes; zero before the account was ever read
    version bigint not null,
    -- of all stacks; null before the account was ever read
    digest uuid,
    -- the account was read no earlier than this; null before it was ever read
    as_of timestamptz,
    -- no replica reads the account again before this
    not_before timestamptz not null default '-infinity',
    -- what the last reading failed with, until one succeeds
    trouble text
);

insert into catalogue (version) values (0);

create table stacks (
    id text collate "C" primary key,
    name text not null,
    space text not null,
    labels text[] not null,
    repository text not null,
    branch text not null,
    project_root text not null,
    globs text[] not null,
    autodeploy boolean not null,
    disabled boolean not null
);

create index stacks_by_branch on stacks (lower(repository), branch);

-- Spacelift's own edges. Those that labels make are read from the labels.
create table dependencies (
    child text collate "C" not null references stacks (id) on delete cascade,
    -- may be a stack that cannot be seen
    parent text collate "C" not null,
    hands_over text[] not null,
    primary key (child, parent)
);

create table repositories (
    key uuid primary key,
    name text not null,
    memory json not null,
    -- how many changes wait for the account to be read
    waiting integer not null
);

create index repositories_that_wait on repositories (name) where waiting > 0;
