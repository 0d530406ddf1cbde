-- The worker pool of a stack, and what gives its runs their rights at clouds; before the account is
-- read again, none that are known.

alter table stacks add column worker_pool jsonb;
alter table stacks add column cloud_accounts text[] not null default '{}';
