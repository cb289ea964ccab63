-- Stops all claims of the instance, or lets them go on; every worker is told.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it)
--   3 pause int (1 or 0)
--   4 entry str (for the journal, as include/journal.lua has it)
-- Returns: {"ok", whether it was paused before}; {"stale"}
-- Includes: guard, ledger_find, ledger_keep, journal
-- Cost: O(1)
local slot = KEYS[1]
local P, call, pause, entry = ARGV[1], cjson.decode(ARGV[2]), ARGV[3] == '1', ARGV[4]
guard(slot)
local known = ledger_find(P, call)
if known then return known end
local before = redis.call('HDEL', key(P, 'm'), 'paused')
if pause then redis.call('HSET', key(P, 'm'), 'paused', 1) end
journal(P, entry)
redis.call('PUBLISH', P .. 'control', pause and 'pause' or 'resume')
return ledger_keep(P, call, {'ok', before})
