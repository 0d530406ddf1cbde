-- Folders and names of stacks whose code is there and could not be read, so that nobody knows what it
-- says of them; null where the code of the branch was never taken in.
alter table branches add column broken jsonb default '[]';
alter table branches alter column broken drop default;
