-- What one process has found of its calls, for the others: since when and until when they rest, and why.
alter table rests add column rest json;
