-- Where answers stand in their stream moves to a narrow table of its own: marking the wide row
-- wrote it, and every one of its indexes, a second time. Wake-ups that others ask for become rows
-- that are only ever added, so that two decisions that wake each other's states cannot deadlock.

-- The eras of the stream of events: within one, a broker loses messages only from the end.
create table eras (
    id uuid not null,
    -- The life of the stream: another one once it was deleted and made again.
    life uuid not null,
    entered_at timestamptz not null,
    constraint eras_once primary key (id)
);

create table published (
    -- `remembered.position`.
    position bigint not null,
    era uuid not null,
    -- The highest stream sequence among the answers.
    sequence bigint not null,
    at timestamptz not null,
    constraint published_once primary key (position)
);

create index published_era on published (era, sequence);

-- What was marked before there were eras belongs to a life that is over: it is published again,
-- as far as the stream would still keep it.
insert into eras (id, life, entered_at)
values ('00000000-0000-0000-0000-000000000000', '00000000-0000-0000-0000-000000000000', now());

insert into published (position, era, sequence, at)
select position, '00000000-0000-0000-0000-000000000000', sequences[array_upper(sequences, 1)],
    answered_at
from remembered where sequences <> '{}';

-- Whether there is anything to publish. Never changes, so that its index is written once.
alter table remembered add column has_answers boolean not null default true;
update remembered set has_answers = false where json_array_length(answers) = 0;
alter table remembered drop column sequences;

drop index if exists remembered_unpublished;
drop index remembered_position;
create index remembered_answers on remembered (position) where has_answers;
-- For forgetting what is old: rows lie on disk by age.
create index remembered_age on remembered using brin (answered_at);

create table nudges (
    id bigint generated always as identity,
    consumer text not null,
    key uuid not null,
    constraint nudges_once primary key (id)
);
