-- One comment at a pull request follows what is planned for its heads. It is a story of its own, of
-- the pull request; a story about a head says which that is, and when it began: the newest is shown.

alter table stories
    add column pull_request uuid,
    add column began_at timestamptz,
    -- Where the comment is and what it says. Beside `body`, because a build that does not know of it
    -- leaves it alone when it writes the row.
    add column overview json;

create index stories_pull_request on stories (pull_request, began_at)
    where pull_request is not null;
