-- A step of unknown outcome keeps its stack until a person has looked, or until it is known what
-- became of its run. What ended so before this was is left as it was.

update steps set course = (course::jsonb || '{"released": true}')::json where state = 'unknown';

create index steps_unknown on steps (stack)
    where state = 'unknown' and kind = 'deploy' and course->>'released' is null;
