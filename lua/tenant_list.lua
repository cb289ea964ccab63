-- Lists tenants by name.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 skip int
--   3 take int (at most 250)
-- Returns: {how many in all, names...}
-- Includes: guard
-- Cost: O(log tenants + take)
local slot = KEYS[1]
local P, skip, take = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
guard(slot)
local list = key(P, 'tenants')
return {redis.call('ZCARD', list), unpack(redis.call('ZRANGE', list, skip, skip + take - 1))}
