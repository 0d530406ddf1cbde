-- What code says of stacks: where it is, what it says, and which stacks of the account it made.

-- Names the graph a chain was planned with; the same number is never given twice.
create sequence graph_versions;
select setval('graph_versions', version + 1, false) from catalogue;

-- The head of each branch whose code is known.
create table branches (
    -- in lower case: hosts ignore the case of a repository's name
    repository text not null,
    branch text not null,
    commit_hash text not null,
    -- faults of the code, for people
    faults jsonb not null,
    read_at timestamptz not null,
    primary key (repository, branch)
);

create table stack_codes (
    id uuid primary key,
    -- in lower case
    repository text not null,
    branch text not null,
    -- the folder; empty for the root of the repository
    path text not null,
    current_commit text not null,
    -- what the code says of each stack it is the code of
    config jsonb not null,
    status text not null constraint stack_code_status check (status in ('active', 'gone')),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint stack_codes_once unique (repository, branch, path)
);

create table stack_states (
    -- the stack of the account
    stack text collate "C" primary key,
    stack_code_id uuid not null references stack_codes (id),
    -- what the code calls it
    name text not null,
    -- the commit whose code it has
    commit_hash text not null,
    -- where its Terraform state is; for a stack of Spacelift, the stack itself
    tf_state_key text not null,
    variables jsonb not null,
    metadata jsonb not null,
    status text not null
        constraint stack_state_status check (status in ('active', 'loose', 'retired')),
    -- why it has that status
    reason json not null,
    -- the rewritten head its code differs from, until it is planned again
    rewritten_from text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create index stack_states_by_code on stack_states (stack_code_id);
create index stack_states_loose on stack_states (status) where status <> 'active';

-- Files of repositories, as they were asked for.
create table git_cache (
    repository text not null,
    commit_hash text not null,
    path text not null,
    content bytea not null,
    cached_at timestamptz not null default now(),
    primary key (repository, commit_hash, path)
);
