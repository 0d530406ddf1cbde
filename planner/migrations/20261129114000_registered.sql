-- How far the planner has come, in a row of its own: that of the catalogue is locked while the account
-- is read.
create table progress (
    -- Rises whenever the register of stacks changes, so that whoever knows it need not read it again.
    registered bigint not null default 0,
    -- Up to which minute it was seen whose drift is to be looked at; null before that was ever seen.
    drift_seen timestamptz
);
insert into progress default values;
