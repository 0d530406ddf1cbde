-- Of what Azure tells once more, whether another subscription told of the same event: the sender's id
-- begins with the event's.
create index if not exists deliveries_event on deliveries (split_part(sender_id, '/', 1))
    where source = 'azure-devops' and verdict = 'accepted';
