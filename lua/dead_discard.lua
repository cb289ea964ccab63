-- Drops dead letters; they stay counted as failed.
-- Moves: failed → gone
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it)
--   3 tasks json ({batch, queue, local id}, at most 100)
--   4 entry str (for the journal, as include/journal.lua has it); each call of several adds to it
-- Returns: {"ok", how many}; {"stale"}
-- Includes: guard, ledger_find, ledger_keep, batch_read, dead_take, forget,
--   journal
-- Cost: O(n log dead) for n tasks
local slot = KEYS[1]
local P, call, tasks, entry = ARGV[1], cjson.decode(ARGV[2]), cjson.decode(ARGV[3]), ARGV[4]
guard(slot)
local known = ledger_find(P, call)
if known then return known end
local count = 0
for _, task in ipairs(tasks) do
  local b = batch_read(P, task[1])
  local body = b.state and dead_take(P, b, task[2], task[3])
  if body then
    forget(P, b.id, body)
    count = count + 1
  end
end
if count > 0 then journal(P, entry, count, true) end
return ledger_keep(P, call, {'ok', count})
