-- Everything that was ever asked about one stack, the newest first, however few of all gates it is.

create index gates_of_stack on gates (stack, requested_at, id) where stack is not null;
