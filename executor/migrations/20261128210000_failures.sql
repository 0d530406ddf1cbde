-- What ended badly of late, for policies that bear only so much of it; and chains that wait while the
-- code of their stacks may come back.

create index steps_failed on steps (since desc) where state in ('failed', 'unknown');

create index chains_deregistering on chains (began_at)
    where ended_at is null and course->>'action' = 'deregister';
