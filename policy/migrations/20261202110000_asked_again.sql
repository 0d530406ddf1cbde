-- When a gate that had passed was asked again: what people have time for, they have from then on.

alter table gates add column asked_again_at timestamptz;
