-- What gave no event is looked for by its sender's id each time a host is asked what it could not
-- deliver: until now, through all deliveries of a week. Of what gave one there is an index already.
create index if not exists deliveries_sender_kept on deliveries (source, sender_id)
    where verdict <> 'accepted' and sender_id is not null;
