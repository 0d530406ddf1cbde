-- A plan that is kept uses an index for one shape of a question alone: what is open, the newest first,
-- and what waits of a commit, also by its beginning, because some hosts cut commits short.

create index gates_open_newest on gates (requested_at, id) where not final;

drop index gates_open_of_commit;
create index gates_open_of_commit on gates ((request->'change'->>'commit') text_pattern_ops)
    where not final;
