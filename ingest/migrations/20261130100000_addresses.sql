-- Who sent a delivery: the address at the other end, or what a trusted proxy says of it. Nothing for
-- what was looked for and found, and for what came before it was kept.

alter table deliveries add column address inet;
-- And who told it again last.
alter table repeats add column address inet;
