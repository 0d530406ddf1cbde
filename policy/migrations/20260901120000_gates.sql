-- Every question to the policies with everything its answer depends on, and what people said.

create table gates (
    id uuid not null,
    chain uuid not null,
    moment text not null,
    -- The stack it is about; null before a chain.
    stack text,
    -- The question as it was asked: together with the reviews and the policies of the digest, it
    -- gives the same answer again.
    request json not null,
    requested_at timestamptz not null,
    -- The story the question belongs to; answers that come later belong to it too.
    correlation uuid not null,
    trace text,
    -- The answer as it was announced last.
    outcome json not null,
    reasons json not null,
    revision bigint not null,
    -- Passed or denied: it is never decided again.
    final boolean not null,
    hold_until timestamptz,
    policy_digest text not null,
    -- The policies that were asked last, even if they had nothing new to say.
    considered_digest text not null,
    decided_at timestamptz not null,
    constraint gates_once primary key (id)
);

create index gates_of_chain on gates (chain, requested_at);
create index gates_newest on gates (requested_at);
create index gates_open on gates (id) where not final;

create table reviews (
    id uuid not null,
    gate uuid not null references gates (id),
    -- The order in which the reviews of a gate were given.
    number integer not null,
    by text not null,
    approve boolean not null,
    note text,
    at timestamptz not null,
    constraint reviews_once primary key (id)
);

create index reviews_of_gate on reviews (gate, number);
