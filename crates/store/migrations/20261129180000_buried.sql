-- Messages that were given up, beside the stream of dead letters: a broker may lose those, and for as
-- long as people may ask for them they are put there again.
create table buried (
    consumer text not null,
    -- The event, or what stands for one that cannot be read.
    key uuid not null,
    -- What is published of it, byte for byte.
    headers json not null,
    payload bytea not null,
    buried_at timestamptz not null,
    -- Where it stands: the life of the stream of dead letters, and the sequence; null until it does.
    life uuid,
    sequence bigint,
    constraint buried_once primary key (consumer, key)
);

create index buried_age on buried (buried_at);
