-- What was published is marked for many answers at once: a row for each of them, and an entry in two
-- indexes, cost as much as the rest of what was written beside a small answer.
create table published_blocks (
    -- `remembered.position` of all of them, divided by 256.
    block bigint not null,
    positions bigint[] not null,
    era uuid not null,
    -- The one of them that stands last in the stream, and where.
    last_position bigint not null,
    last_sequence bigint not null,
    at timestamptz not null
);

create index published_blocks_block on published_blocks (block);
create index published_blocks_era on published_blocks (era, last_sequence);
create index published_blocks_age on published_blocks (at);

insert into published_blocks (block, positions, era, last_position, last_sequence, at)
select position / 256, array_agg(position), era, (array_agg(position order by sequence desc))[1],
    max(sequence), max(at)
from published group by position / 256, era;

-- `published` stays for processes of an older build that still run beside this one, and is dropped
-- with the next migration. What they mark there is published once more, under its id.

-- What is forgotten makes room on pages all over the table, so that rows do not lie on disk by age for
-- long, and an index by ranges of pages finds all of them.
drop index remembered_age;
create index remembered_age on remembered (answered_at);
create index effects_age on effects (closed_at) where not open;
