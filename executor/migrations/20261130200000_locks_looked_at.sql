-- When Spacelift was asked last whether the lock is still there.
alter table locks add column looked_at timestamptz;
