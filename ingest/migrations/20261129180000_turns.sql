-- What was told last of what can be told again word for word: a ref that was pushed from A to B, set
-- back and pushed to B once more, where its host says of neither push when it was. Told again at once,
-- it is the same fact; told again after something else, it is another.

create table turns (
    source text not null,
    -- The ref or the pull request.
    place text not null,
    came_from text,
    went_to text not null,
    -- The delivery that told it, and when that came.
    delivery uuid not null,
    at timestamptz not null,
    constraint turns_once primary key (source, place)
);
