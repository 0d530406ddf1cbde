-- What people are told, where, and whether it arrived.

create table stories (
    -- The chain; for a change without one, its commit; for a fault of the account, its text.
    key uuid not null,
    -- For a chain: the key a notice about its commit would have.
    commit_key uuid,
    -- What happened, and what was said about it where.
    body json not null,
    changed_at timestamptz not null,
    constraint stories_once primary key (key)
);

create index stories_commit on stories (commit_key) where commit_key is not null;
create index stories_changed on stories (changed_at);

create table deliveries (
    -- The effect: one call, however often it is tried.
    effect uuid not null,
    -- The story it belongs to.
    story uuid not null,
    -- slack, github or webhook.
    channel text not null,
    -- What kind of call.
    kind text not null,
    -- A Slack channel, a commit, the name of an endpoint; never an address or a secret.
    target text not null,
    -- What was said, in a few words.
    about text not null,
    -- delivered, waiting (it is tried again) or given_up.
    standing text not null,
    attempts integer not null,
    -- The HTTP status of the last answer; null if there was none.
    last_status integer,
    error text,
    first_attempt_at timestamptz not null,
    last_attempt_at timestamptz not null,
    next_attempt_at timestamptz,
    delivered_at timestamptz,
    constraint deliveries_once primary key (effect)
);

create index deliveries_story on deliveries (story, first_attempt_at);
create index deliveries_age on deliveries (last_attempt_at);

create table retired_endpoints (
    -- Derived from name and address: an endpoint with another address is another endpoint.
    endpoint uuid not null,
    name text not null,
    retired_at timestamptz not null,
    constraint retired_endpoints_once primary key (endpoint)
);
