-- Stacks that people have locked through us, and who did; free ones keep their history.
create table locks (
    id uuid not null,
    stack text not null,
    state text not null,
    reason json not null,
    -- When the state was entered.
    since timestamptz not null,
    -- Who had it locked, why and when.
    said json not null,
    -- By which our lock is known in Spacelift.
    mark text not null,
    constraint locks_once primary key (id)
);

create unique index locks_held on locks (stack) where state <> 'free';
