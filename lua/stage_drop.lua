-- Drops a segment that was staged and will not be committed.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 seg str
-- Returns: {"ok"}
-- Includes: guard, now, seg_drop
-- Cost: O(queues)
local slot = KEYS[1]
local P, seg = ARGV[1], ARGV[2]
guard(slot)
seg_drop(P, seg, (now()))
return {'ok'}
