-- What every service keeps beside its own tables: the answers it gave, the calls it owes to the
-- outside, and the times it wants to be woken. Written in the transaction that changes its state.

create table remembered (
    -- The order in which answers were decided; publishing after a loss follows it.
    position bigint generated always as identity,
    consumer text not null,
    event_id uuid not null,
    event_type text not null,
    event_key text not null,
    correlation uuid not null,
    -- When the event answered was written, and when it was answered.
    event_at timestamptz not null,
    answered_at timestamptz not null,
    -- The envelopes of the answers, ready to be sent again under the same ids.
    answers json not null,
    -- Where they stand in their stream; null until all of them are stored there.
    sequences bigint[],
    constraint remembered_once primary key (consumer, event_id)
);

create index remembered_unpublished on remembered (position) where sequences is null;
create index remembered_position on remembered (position);
create index remembered_story on remembered (correlation);

create table effects (
    -- Derived from what the effect is for: the same effect can never be asked for twice.
    id uuid not null,
    -- The state that asked for it.
    key uuid not null,
    -- At most one open effect per lane.
    lane text not null,
    kind text not null,
    body json not null,
    correlation uuid not null,
    trace text,
    open boolean not null default true,
    -- Somebody may be calling just now; otherwise it waits for `due_at`.
    claimed boolean not null,
    -- A call may have taken effect: look before it is repeated.
    uncertain boolean not null default false,
    attempt integer not null default 1,
    -- Rises with each claim; only the newest claim may write a result.
    fence bigint not null default 1,
    -- When the claim expires, or when it is to be tried again.
    due_at timestamptz not null,
    -- Why it was not done at the last attempt.
    reason json,
    created_at timestamptz not null,
    closed_at timestamptz,
    constraint effects_once primary key (id)
);

create unique index effects_lane on effects (lane) where open;
create index effects_due on effects (due_at) where open;
create index effects_key on effects (key);
create index effects_story on effects (correlation);

create table wakeups (
    consumer text not null,
    key uuid not null,
    due_at timestamptz not null,
    constraint wakeups_once primary key (consumer, key)
);

create index wakeups_due on wakeups (consumer, due_at);
