-- Which policies are in force where they are read, so that a change is told once whatever the
-- replicas, and a service whose origin is away knows what was in force last; and the commit of each
-- decision.

create table policy_sources (
    -- A folder; or the address, the branch and the folder in a repository.
    source text not null,
    -- The newest commit that was read, in force or not; null for a folder.
    head text,
    -- The commit of the set in force; null for a folder.
    commit_hash text,
    digest text not null,
    -- Why what is there now is not in force.
    refused text,
    changed_at timestamptz not null,
    constraint policy_sources_once primary key (source)
);

alter table gates
    -- The commit of the policies that gave the answer; null if they were in a folder.
    add column policy_commit text;
