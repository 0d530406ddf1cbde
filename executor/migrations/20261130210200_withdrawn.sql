-- Chains that were called off before they had come here: what is in line on two executors may pass
-- each other.
create table withdrawn (
    chain_id uuid not null,
    withdrawn json not null,
    at timestamptz not null,
    constraint withdrawn_once primary key (chain_id)
);
