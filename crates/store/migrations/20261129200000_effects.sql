-- Calls are found by their lane, their story or their id; an index by the state that asked for them is
-- written twice for each call and read by nobody.
drop index effects_key;
