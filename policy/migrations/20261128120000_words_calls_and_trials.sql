-- What people can say besides yes and no, hooks that were asked, policies on trial, and every set
-- of policies that ever decided, so that a decision can be explained and repeated later.

alter table gates
    -- The hooks that were asked, and what they said.
    add column calls json,
    -- When time alone may change the answer.
    add column recheck_at timestamptz,
    -- What policies on trial would have said, where that is something else.
    add column shadow json;

create index gates_on_trial on gates (decided_at) where shadow is not null;

alter table reviews
    -- What was said: approve, reject, withdraw or override; null where only yes and no were known.
    add column word text,
    -- Until when a broken glass stays broken.
    add column until timestamptz,
    -- Whether it is broken for gates of the chain that are asked later, too.
    add column whole_chain boolean not null default false;

create index reviews_that_override on reviews (until) where word = 'override';

create table policy_sets (
    digest text not null,
    -- The files, as they were read.
    files json not null,
    first_seen timestamptz not null,
    constraint policy_sets_once primary key (digest)
);
