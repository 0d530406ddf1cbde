-- How often the account said something else than before: what it says now it may have said before.
alter table catalogue add column changes bigint not null default 0;
