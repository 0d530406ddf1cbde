-- The host of a stack's repository, as far as it matters to us; before the account is read again,
-- none that is known.

alter table stacks add column provider text not null default 'other';
