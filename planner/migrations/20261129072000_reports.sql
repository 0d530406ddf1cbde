-- What scanners found that ran elsewhere, as it was handed in: of a commit by the name of the report.

create table reports (
    -- The key of the repository's memory.
    repository uuid not null,
    commit_hash text not null,
    name text not null,
    sender text not null,
    -- What was found, or why that cannot be read.
    found json not null,
    handed_in_at timestamptz not null,
    constraint reports_once primary key (repository, commit_hash, name)
);

create index reports_by_age on reports (handed_in_at);
