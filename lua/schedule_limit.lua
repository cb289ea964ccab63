-- Sets how many schedules a tenant may have, or all tenants for which nothing else is set; or lifts that.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 whose str ("all", or t and the tenant)
--   3 limit str (a whole number; empty: none)
--   4 entry str (for the journal, as include/journal.lua has it); noted where it changes anything
-- Returns: {"ok"}
-- Includes: guard, journal
-- Cost: O(1)
local slot = KEYS[1]
local P, whose, limit, entry = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
guard(slot)
local before = redis.call('HGET', key(P, 'slimits'), whose) or ''
redis.call('HDEL', key(P, 'slimits'), whose)
if limit ~= '' then redis.call('HSET', key(P, 'slimits'), whose, limit) end
if before ~= limit then journal(P, entry) end
return {'ok'}
