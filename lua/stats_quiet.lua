-- Switches statistics off for the instance, or on again.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 quiet int (1: off)
-- Returns: {"ok"}
-- Includes: guard
-- Cost: O(1)
local slot = KEYS[1]
local P, quiet = ARGV[1], ARGV[2] == '1'
guard(slot)
if quiet then redis.call('HSET', key(P, 'm'), 'quiet', 1) else redis.call('HDEL', key(P, 'm'), 'quiet') end
return {'ok'}
