-- Who reads the account: a lease, and not a lock, because whoever changes the graph must not wait for
-- Spacelift, nor for a reader whose machine is gone.

alter table catalogue
    -- whoever reads it now; null for nobody
    add column reader uuid,
    -- from then on another may read in its place
    add column reads_until timestamptz;
