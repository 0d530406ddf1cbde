-- What else was chosen for a stack, to compare it with what its code says; before the account is read
-- again, nothing that is known.

alter table stacks add column settings jsonb;
