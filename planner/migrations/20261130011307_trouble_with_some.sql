-- Whether the trouble was with reading some stacks alone: then it is over when some are read again.

alter table catalogue add column trouble_with_some boolean not null default false;
