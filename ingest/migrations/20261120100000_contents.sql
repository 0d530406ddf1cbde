-- What came (bodies, headers) apart from what became of it: bodies are large and go by whole months,
-- while the rest is small and stays, because duplicates are recognised by it for ever.

create table contents (
    delivery uuid not null,
    received_at timestamptz not null,
    -- Those that tell something, never those that prove something.
    headers json not null,
    body bytea not null
) partition by range (received_at);

create index contents_delivery on contents (delivery);

-- Holds what no month was made for in time; the next month that is made takes it over.
create table contents_rest partition of contents default;

-- Makes the month that begins on this day, if it is not there.
create function make_contents(first date) returns void language plpgsql as $$
declare
    name text := 'contents_' || to_char(first, 'YYYYMM');
    low timestamptz := first::timestamp at time zone 'UTC';
    high timestamptz := (first + interval '1 month')::timestamp at time zone 'UTC';
begin
    perform pg_advisory_xact_lock(hashtext(current_schema() || '.contents'));
    if to_regclass(quote_ident(current_schema()) || '.' || quote_ident(name)) is not null then
        return;
    end if;
    execute format('create table %I (like contents including all)', name);
    execute format('with moved as (delete from contents_rest
        where received_at >= %L and received_at < %L returning *)
        insert into %I select * from moved', low, high, name);
    execute format('alter table contents attach partition %I for values from (%L) to (%L)',
        name, low, high);
end $$;

-- Drops the months that ended before this time; gives how many.
create function drop_contents(before timestamptz) returns integer language plpgsql as $$
declare
    month record;
    dropped integer := 0;
begin
    perform pg_advisory_xact_lock(hashtext(current_schema() || '.contents'));
    for month in
        select child.relname as name from pg_inherits
            join pg_class child on child.oid = inhrelid
        where inhparent = (quote_ident(current_schema()) || '.contents')::regclass
            and child.relname ~ '^contents_[0-9]{6}$'
            and (to_date(right(child.relname, 6), 'YYYYMM') + interval '1 month')::timestamp
                at time zone 'UTC' <= before
    loop
        execute format('drop table %I', month.name);
        dropped := dropped + 1;
    end loop;
    delete from contents_rest where received_at < before;
    return dropped;
end $$;

insert into contents (delivery, received_at, headers, body)
    select id, received_at, headers, body from deliveries;

alter table deliveries
    add column bytes integer not null default 0,
    -- What it is about, where that can be told.
    add column repository text,
    add column head text,
    -- Nobody delivered it: it was looked for and found.
    add column found boolean not null default false;
update deliveries set bytes = octet_length(body);
alter table deliveries drop column headers, drop column body;

-- `stackly why <commit>`, of which people write the beginning.
create index deliveries_head on deliveries (head text_pattern_ops) where head is not null;

-- The same fact, told again: by whom and how often. A few of each fact; who has caught one signed
-- body could send it under a new id for ever.
create table repeats (
    delivery uuid not null,
    sender_id text not null,
    first_at timestamptz not null,
    last_at timestamptz not null,
    times bigint not null,
    constraint repeats_once primary key (delivery, sender_id)
);

create index repeats_sender on repeats (sender_id);

-- What people ordered in comments and in Slack, until it is carried out.
create table orders (
    id uuid not null,
    delivery uuid not null,
    body json not null,
    ordered_at timestamptz not null,
    -- When it is tried next; while somebody is at it, when they are given up.
    next_at timestamptz not null,
    attempts integer not null default 0,
    done_at timestamptz,
    code text,
    message text,
    constraint orders_once primary key (id)
);
create index orders_open on orders (next_at) where done_at is null;
create index orders_delivery on orders (delivery);

-- Deliveries that were read again, and the events that came of it.
create table replays (
    event uuid not null,
    delivery uuid not null,
    at timestamptz not null,
    by text not null,
    constraint replays_once primary key (event)
);
create index replays_delivery on replays (delivery);

-- When each secret was last of use; by its fingerprint, so that it is still the same secret after
-- another has been put before it.
create table secret_uses (
    source text not null,
    fingerprint text not null,
    last_at timestamptz not null,
    uses bigint not null,
    constraint secret_uses_once primary key (source, fingerprint)
);
