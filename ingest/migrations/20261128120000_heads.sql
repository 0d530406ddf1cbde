-- Where tracked branches were when they were looked at last, so that a push that never arrived is
-- known with the head it moved the branch from.

create table heads (
    repository text not null,
    branch text not null,
    head text not null,
    -- No push that arrived before brought the branch anywhere else.
    seen_at timestamptz not null,
    constraint heads_once primary key (repository, branch)
);
