-- Which limits the run of a step takes a place of, or queues for one of; nothing while it does
-- neither, and nothing where nothing is limited.

alter table steps add column limits text[] not null default '{}';
-- Who goes first: 0 a broken glass, 1 deliveries, 2 previews.
alter table steps add column rank smallint not null default 1;

create index steps_limited on steps (state) where limits <> '{}';
