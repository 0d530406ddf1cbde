-- Rises whenever the register of stacks changes, so that whoever knows it need not read it again.

alter table catalogue add column registered bigint not null default 0;
