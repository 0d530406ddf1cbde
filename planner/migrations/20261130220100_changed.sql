-- When the account was last seen to say something else of a stack: what is foretold now may differ
-- from what was decided before because of that.

alter table stacks add column changed_at timestamptz not null default now();
