-- Also what a person wants destroyed is called off when its code comes back.
drop index chains_deregistering;
create index chains_destroying on chains (began_at)
    where ended_at is null and course->>'action' in ('destroy', 'deregister');
