-- Two hosts may have a repository of the same name.
alter table heads add column source text not null default 'github';
alter table heads drop constraint heads_once;
alter table heads add constraint heads_once primary key (source, repository, branch);
alter table heads alter column source drop default;
