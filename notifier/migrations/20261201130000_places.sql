-- A notice has the key of the place where its status stands: repository, commit, branch, and whether
-- it is about a plan. `commit_key` of a chain is that of the notice that would stand there.

-- For a change without a chain: its commit, by which people ask what was delivered about it.
alter table stories add column notice_of uuid;

create index stories_notice_of on stories (notice_of) where notice_of is not null;
