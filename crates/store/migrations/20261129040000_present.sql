-- Which processes said that they are there, so that one that is gone is missed even if it had claimed
-- no call.
create table present (number integer not null, constraint present_once primary key (number));
