-- Notes in the journal what was done in several calls, or with nothing stored.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it)
--   3 entry str (as include/journal.lua has it)
--   4 count int (how many it was about; -1: no number)
-- Returns: {"ok"}; {"stale"}
-- Includes: guard, ledger_find, ledger_keep, journal
-- Cost: O(1)
local slot = KEYS[1]
local P, call, entry, count = ARGV[1], cjson.decode(ARGV[2]), ARGV[3], tonumber(ARGV[4])
guard(slot)
local known = ledger_find(P, call)
if known then return known end
journal(P, entry, count >= 0 and count or nil)
return ledger_keep(P, call, {'ok'})
