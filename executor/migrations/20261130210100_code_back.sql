-- Stacks whose code came back, and when that was told last: what had been asked for before then, to
-- destroy what they made, is not done.
create table code_back (
    stack text not null,
    at timestamptz not null,
    reason json not null,
    constraint code_back_once primary key (stack)
);
