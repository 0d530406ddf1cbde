-- Which steps of a chain pass without asking: kept, because new policies may take it back.

alter table gates
    add column clearance json,
    -- From then on everything is asked about again; null if nothing is cleared.
    add column cleared_until timestamptz;

create index gates_that_clear on gates (cleared_until) where cleared_until is not null;
