-- The further heads a delivery speaks of: a push of several refs has one for each, and `deliveries`
-- has room for the first.

create table spoken_heads (
    delivery uuid not null,
    head text not null,
    constraint spoken_heads_once primary key (delivery, head)
);
create index spoken_heads_head on spoken_heads (head text_pattern_ops);
