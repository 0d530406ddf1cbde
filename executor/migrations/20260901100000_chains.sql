-- Chains and their steps: the copy of record of what Stackly has set going.

create table chains (
    id uuid not null,
    kind text not null,
    change json not null,
    state text not null,
    reason json not null,
    gate uuid not null,
    gate_revision bigint not null,
    edges json not null,
    graph_version bigint not null,
    correlation uuid not null,
    trace text,
    began_at timestamptz not null,
    ended_at timestamptz,
    constraint chains_once primary key (id)
);

create index chains_newest on chains (began_at desc);

create table steps (
    chain_id uuid not null references chains (id),
    stack text not null,
    ordinal integer not null,
    kind text not null,
    planned json not null,
    parents text[] not null,
    state text not null,
    reason json not null,
    -- When the state was entered.
    since timestamptz not null,
    run text,
    run_url text,
    run_state text,
    state_version bigint not null,
    delta json,
    gate uuid,
    gate_revision bigint not null,
    -- Reports of runs of this stack that arrived before our own run was known.
    early json not null,
    -- When Spacelift last told something about the run.
    heard_at timestamptz,
    constraint steps_once primary key (chain_id, stack)
);

create index steps_run on steps (run) where run is not null;
create index steps_queued on steps (stack) where state = 'queued';

-- One blocking run per stack, whatever the code does.
create unique index steps_hold_stack on steps (stack)
    where kind = 'deploy' and state in
        ('triggering', 'planning', 'gating_apply', 'confirming', 'applying', 'discarding');

create index steps_in_flight on steps (heard_at)
    where state in ('planning', 'gating_apply', 'confirming', 'applying', 'discarding');

create table operations (
    position bigint generated always as identity,
    chain_id uuid not null,
    -- Absent for a transition of the chain itself.
    stack text,
    from_state text not null,
    to_state text not null,
    reason json not null,
    -- The event that caused it.
    cause uuid not null,
    at timestamptz not null,
    constraint operations_once primary key (position)
);

create index operations_of_chain on operations (chain_id, position);
