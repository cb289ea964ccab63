-- Deletes a part of a tenant's schedules.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it)
--   3 tenant str
-- Returns: {"ok", how many, how many are left}; {"stale"}
-- Includes: guard, ledger_find, ledger_keep, schedule_drop
-- Cost: O(n log schedules) for 50 schedules
local slot = KEYS[1]
local P, call, tenant = ARGV[1], cjson.decode(ARGV[2]), ARGV[3]
guard(slot)
local known = ledger_find(P, call)
if known then return known end
local list = key(P, 'ts', tenant)
local found = redis.call('ZRANGE', list, 0, 49)
for _, member in ipairs(found) do
  redis.call('ZREM', list, member)
  schedule_drop(P, {sid = string.sub(member, -22), id = string.sub(member, 1, -24), tenant = tenant})
end
return ledger_keep(P, call, {'ok', #found, redis.call('ZCARD', list)})
