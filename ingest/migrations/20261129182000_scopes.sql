-- For which repositories the secret counted that a delivery was signed with, apart by blanks; nothing if
-- for all. A delivery of which nothing followed may give an event when it is read again, and then its
-- secret still counts for those alone.
alter table deliveries add column scopes text;
