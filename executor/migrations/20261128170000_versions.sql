-- How often each chain was written: who keeps a chain in memory asks whether it is still as it was.
-- A narrow table of its own, because writing the wide row of the chain for it would cost more than
-- it saves.

create table versions (
    chain_id uuid not null,
    version bigint not null,
    constraint versions_once primary key (chain_id)
) with (fillfactor = 50);

insert into versions (chain_id, version) select id, 1 from chains;
