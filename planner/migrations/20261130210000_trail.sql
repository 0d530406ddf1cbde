-- How far the audit trail of the account was looked at: as long as it tells what changed, the account
-- need seldom be read as a whole.

alter table catalogue
    -- the newest entries that were seen; null if it cannot be read
    add column trail jsonb,
    -- when it was looked at
    add column trail_at timestamptz;
