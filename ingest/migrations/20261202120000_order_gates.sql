-- Which gates a review of a host's own was found to mean, before its word about the commit was said: that
-- may open them, and whoever tries the order again must find them all the same.
alter table orders add column gates uuid[];
