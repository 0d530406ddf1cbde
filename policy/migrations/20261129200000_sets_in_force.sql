-- When each set of policies was in force last, as far as that was noted: one that no kept decision
-- names any more is forgotten, but not one that has just come into force again.

alter table policy_sets add column last_seen timestamptz not null default now();
update policy_sets set last_seen = first_seen;
