-- When the question of a gate was sent: what is asked while the service is away comes all at once, and
-- which question is the newer one is told by this.

alter table gates add column sent_at timestamptz;
