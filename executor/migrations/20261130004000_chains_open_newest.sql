-- What is open is asked for the newest first; nearly all chains have ended.

create index chains_open_newest on chains (began_at desc) where ended_at is null;
