-- That calls to Spacelift rest was told to people; that they go on is still to be told, also by a
-- process that has begun since.

create table rests (
    account text not null,
    -- When one of the processes last found that its calls rest.
    seen_at timestamptz not null,
    constraint rests_once primary key (account)
);
