-- Whose turn it is when a place becomes free is asked after every run: the first of each space, and of
-- those under the same limits, are found without a look at the others.

alter table steps add column space text not null default '';

update steps set space = planned->>'space'
    where state not in ('finished', 'failed', 'skipped', 'denied', 'canceled', 'unknown');

create index steps_queue on steps (space, limits, rank, since, chain_id, stack)
    where state = 'queued' and limits <> '{}';
