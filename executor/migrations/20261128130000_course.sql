-- What people, options and failures do to the course of chains and steps is kept beside what was
-- planned; a step that is being cancelled holds its stack and is polled; the history names what
-- happened as the table of transitions does.

alter table chains add column course json not null default '{}';
alter table steps add column course json not null default '{}';
alter table operations add column event text not null default '';

drop index steps_hold_stack;
create unique index steps_hold_stack on steps (stack)
    where kind = 'deploy' and state in
        ('triggering', 'planning', 'gating_apply', 'confirming', 'applying', 'discarding',
            'canceling');

drop index steps_in_flight;
create index steps_in_flight on steps (heard_at)
    where state in
        ('planning', 'gating_apply', 'confirming', 'applying', 'discarding', 'canceling');

-- Runs of earlier attempts are accounted for, too.
create index steps_past_runs on steps (stack) where course->>'past_runs' is not null;

-- Which chains may have to give way to newer ones is asked often, and they are few.
create index chains_giving_way on chains (id)
    where ended_at is null and course->'options'->>'supersede' = 'true';

-- What waits is looked through from time to time; nearly all chains have ended.
create index chains_open on chains (id) where ended_at is null;
