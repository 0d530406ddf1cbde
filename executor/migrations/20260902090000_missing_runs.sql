-- A run that Spacelift no longer knows is counted, so that its step can say so and end; the history
-- says who set a transition off; and what is asked on every message has an index of its own.

alter table steps add column misses integer not null default 0;

alter table operations add column actor text not null default 'stackly';

-- Which step a report of an unknown run may belong to.
create index steps_triggering on steps (stack) where state = 'triggering';
-- Which runs of a stack are accounted for.
create index steps_accounted on steps (stack, since) where run is not null;
