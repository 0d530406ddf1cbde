-- Gates that nobody waits for any more: their chain has ended, or their step asked anew about another
-- run or plan. They are told so and closed, one by one; who is closed is taken out again.

create table outdated_gates (
    gate uuid not null,
    constraint outdated_gates_once primary key (gate)
);

create index gates_open_of_chain on gates (chain) where not final;
