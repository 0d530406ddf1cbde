-- Who holds a claim, for those who want to see whether it is still there; null if that cannot be seen.
alter table effects add column holder integer;
-- Until when a call may still take effect that was broken off with its caller.
alter table effects add column unsettled_until timestamptz;
