-- Takes a worker that stops off the list. What it remembers of its last step stays for a while, as a fence.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 worker str
-- Returns: {"ok"}
-- Includes: guard
-- Cost: O(log workers)
local slot = KEYS[1]
local P, worker = ARGV[1], ARGV[2]
guard(slot)
redis.call('ZREM', key(P, 'workers'), worker)
redis.call('UNLINK', key(P, 'worker', worker))
return {'ok'}
