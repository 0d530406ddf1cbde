-- What a stack was owed and did not get: steps that ended before they had a run. Whether a stack is
-- settled is asked of every new chain that it only follows in.

create index steps_owed on steps (stack, since)
    where kind = 'deploy' and run is null and state in ('denied', 'skipped', 'canceled');
