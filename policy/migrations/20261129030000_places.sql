-- Which chains are under way, or wait for their turn, where policies let only so many be at once.

alter table gates
    -- Of a gate before a chain that a policy counts: `unseen`, `waiting` or `taken`; null once the
    -- chain has ended.
    add column place text,
    -- Who came before it, when that was looked at last.
    add column crowds json;

create index gates_with_place on gates (requested_at, id) where place is not null;
