-- What gives way is looked for every few seconds: by branch, not through all chains there ever were.
-- Writes wait while this is built, some seconds with a million chains. Building it beside them would
-- deadlock where two processes begin at once, because one waits for the migrations of the other.
create index chains_of_branch
    on chains ((change->>'repository'), (change->>'branch'), began_at)
    where coalesce(course->>'action', 'deliver') = 'deliver';
