-- Sets how many schedules a tenant may have, or all tenants for which nothing else is set; or lifts that.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 whose str ("all", or t and the tenant)
--   3 limit str (a whole number; empty: none)
-- Returns: {"ok"}
-- Includes: guard
-- Cost: O(1)
local slot = KEYS[1]
local P, whose, limit = ARGV[1], ARGV[2], ARGV[3]
guard(slot)
redis.call('HDEL', key(P, 'slimits'), whose)
if limit ~= '' then redis.call('HSET', key(P, 'slimits'), whose, limit) end
return {'ok'}
