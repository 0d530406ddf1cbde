-- What changed in the account and is still to be told: written with what was read, taken away when it
-- is told.

create table account_news (
    -- the order in which it was seen
    number bigint generated always as identity primary key,
    -- the event that it is told as: to tell it again is to tell the same
    id uuid not null unique,
    repository text not null,
    told jsonb not null
);
