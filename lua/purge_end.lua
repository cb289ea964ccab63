-- Forgets what is said of a tenant that has been purged, so that its name is like one that was never used.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it)
--   3 tenant str
--   4 entry str (for the journal, as include/journal.lua has it)
--   5 count int (how many tasks were cancelled)
-- Returns: {"ok"}; {"stale"}
-- Includes: guard, ledger_find, ledger_keep, journal
-- Cost: O(1)
local slot = KEYS[1]
local P, call, tenant, entry, count = ARGV[1], cjson.decode(ARGV[2]), ARGV[3], ARGV[4], tonumber(ARGV[5])
guard(slot)
local known = ledger_find(P, call)
if known then return known end
redis.call('HDEL', key(P, 'rules'), 't:' .. tenant)
journal(P, entry, count)
return ledger_keep(P, call, {'ok'})
