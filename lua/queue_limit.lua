-- Sets how many tasks may wait in a queue, ready or delayed, before further ones are refused; or lifts the limit.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 queue str
--   3 limit str (a whole number; empty: none)
-- Returns: {"ok"}
-- Includes: guard
-- Cost: O(1)
local slot = KEYS[1]
local P, q, limit = ARGV[1], ARGV[2], ARGV[3]
guard(slot)
redis.call('HDEL', key(P, 'q', q), 'limit')
if limit ~= '' then redis.call('HSET', key(P, 'q', q), 'limit', limit) end
return {'ok'}
