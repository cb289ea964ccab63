-- Deletes a schedule. A task of it that is there goes on.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it)
--   3 schedule str
--   4 entry str (for the journal, as include/journal.lua has it)
-- Returns: {"ok"}; {"unknown"}; {"stale"}
-- Includes: guard, ledger_find, ledger_keep, schedule_read, schedule_drop, journal
-- Cost: O(log schedules)
local slot = KEYS[1]
local P, call, sid, entry = ARGV[1], cjson.decode(ARGV[2]), ARGV[3], ARGV[4]
guard(slot)
local known = ledger_find(P, call)
if known then return known end
local s = schedule_read(P, sid)
if not s then return ledger_keep(P, call, {'unknown'}) end
schedule_drop(P, s)
journal(P, entry)
return ledger_keep(P, call, {'ok'})
