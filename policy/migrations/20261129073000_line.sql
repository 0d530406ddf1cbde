-- When people stopped the line by hand, and let it go on.

create table line_stops (
    id uuid not null,
    -- Patterns, in their order; none: everything is stopped.
    labels text[] not null,
    reason text not null,
    by text not null,
    at timestamptz not null,
    -- Who let it go on, when and why; null while it is stopped.
    ended_by text,
    ended_at timestamptz,
    ended_reason text,
    constraint line_stops_once primary key (id)
);

create index line_stops_open on line_stops (at) where ended_at is null;
create index line_stops_newest on line_stops (at);
