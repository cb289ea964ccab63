-- Reads which queues have sums, those in use last at the end.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 skip int
--   3 take int (at most 1,000)
-- Returns: the queues
-- Includes: guard
-- Cost: O(log queues + n)
local slot = KEYS[1]
local P, skip, take = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
guard(slot)
return redis.call('ZRANGE', key(P, 'summed'), skip, skip + take - 1)
