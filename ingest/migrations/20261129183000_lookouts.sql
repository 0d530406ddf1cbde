-- Which of several processes looks outside for what never arrived, until when, and how that stands: what
-- each has seen is in its memory, and all of them together would spend the quota of the host.

create table lookouts (
    what text not null,
    holder uuid not null,
    until timestamptz not null,
    -- As people see it; nothing before the first round.
    standing json,
    constraint lookouts_once primary key (what)
);
