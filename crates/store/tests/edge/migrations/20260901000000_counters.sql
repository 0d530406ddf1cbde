-- What the tests count.
create table counters (
    id uuid primary key,
    total bigint not null constraint counters_total check (total < 1000000),
    decisions bigint not null,
    wake_at timestamptz,
    woken bigint not null,
    called text[] not null
);
