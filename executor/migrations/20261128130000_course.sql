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
