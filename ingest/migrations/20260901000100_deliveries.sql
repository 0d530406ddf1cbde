-- Every signed delivery as it came, with what became of it: kept before its sender is answered, so
-- that nothing accepted is lost and everything can be read again by a later build.

create table deliveries (
    -- Rises with time.
    id uuid not null,
    source text not null,
    -- The sender's own id of the delivery. No signature covers it, so it alone proves nothing.
    sender_id text,
    -- Derived from source and content key; the id of the event, where there is one.
    fact_id uuid not null,
    content_key text not null,
    -- The sender's name for what happened.
    kind text not null,
    received_at timestamptz not null,
    -- Those that tell something, never those that prove something.
    headers json not null,
    body bytea not null,
    -- `accepted`: an event follows. `kept`: none does. `malformed`: it cannot be read.
    verdict text not null,
    code text not null,
    message text not null,
    -- Which of the secrets of its source it was signed with.
    secret smallint not null,
    constraint deliveries_once primary key (id)
);

-- One fact is told once, however often and under whatever delivery id it is sent.
create unique index deliveries_fact on deliveries (fact_id);
-- One delivery id is accepted once. What was kept without an event may come again under its id:
-- a later build may make an event of it.
create unique index deliveries_sender on deliveries (source, sender_id)
    where verdict = 'accepted' and sender_id is not null;
