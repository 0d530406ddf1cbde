-- Open gates by the policies they were put to last: so those of others are found without looking at
-- the many that have nothing to hear.

create index gates_open_of_set on gates (considered_digest, id) where not final;
-- By the id alone, nobody looks for open gates any more.
drop index gates_open;
