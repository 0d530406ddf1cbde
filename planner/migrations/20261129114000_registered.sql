-- Rises whenever the register of stacks changes, so that whoever knows it need not read it again.
alter table catalogue add column registered bigint not null default 0;
-- Up to which minute it was seen whose drift is to be looked at; null before that was ever seen.
alter table catalogue add column drift_seen timestamptz;
