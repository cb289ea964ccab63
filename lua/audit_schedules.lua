-- Holds schedules against the indexes that they ought to stand in: those that nobody would fire, those that stand where they
-- shouldn't, and those that their tenant's list lacks.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it: mend what is wrong; an empty list: only look)
--   3 schedules bytes... (at most 100)
-- Returns: {"ok"}, then {kind, id, tenant, 0, 0, 0 | 1 mended | 2 can't be} for each difference; {"unsure", what, schedule}
--   where keys can't be used
-- Includes: guard, now, ledger_find, ledger_keep, audit_scheduled
-- Cost: O(n log schedules) for n schedules
local slot = KEYS[1]
local P, call = ARGV[1], cjson.decode(ARGV[2])
guard(slot)
local mend = #call > 0
local known = mend and ledger_find(P, call)
if known then return known end
local now_ms = now()
local out = {'ok'}
for i = 3, #ARGV do
  if not pcall(audit_scheduled, P, now_ms, ARGV[i], mend, out) then out[#out + 1] = {'unsure', 'broken', 'schedule ' .. ARGV[i]} end
end
return mend and ledger_keep(P, call, out) or out
