-- Tells a part of all running tasks to stop, where they are a tenant's and not yet told: single tasks and continuations, and those
-- of batches that go on. They are counted as cancelled when their workers report.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it)
--   3 tenant str
--   4 queue str (empty: whichever)
--   5 batches int (0: single tasks and continuations alone)
--   6 cursor str (0 at first)
--   7 entry str (for the journal, as include/journal.lua has it; each part adds to it)
-- Returns: {"ok", cursor (0 at the end), how many}; {"stale"}
-- Includes: guard, now, ledger_find, ledger_keep, journal
-- Cost: O(n) for 250 leases
local slot = KEYS[1]
local P, call, tenant, q, batches = ARGV[1], cjson.decode(ARGV[2]), ARGV[3], ARGV[4], ARGV[5] == '1'
local cursor, entry = ARGV[6], ARGV[7]
guard(slot)
local known = ledger_find(P, call)
if known then return known end
local page, of, count, now_ms = redis.call('ZSCAN', key(P, 'leases'), cursor, 'COUNT', 250), {}, 0, now()
redis.call('ZREM', key(P, 'cx'), '') -- the first write, which a full Redis lets through
for i = 1, #page[2], 2 do
  local task = string.sub(page[2][i], 1, 32)
  local batch = string.sub(task, 1, 22)
  if of[batch] == nil then
    local b = redis.pcall('HMGET', key(P, 'b', batch), 'tenant', 'state')
    of[batch] = b[1] == tenant and (b[2] == 'open' or batches and b[2] == 'running')
  end
  local mine = of[batch] and (q == '' or string.match(redis.call('HGET', key(P, 'run'), task) or '', '^[^\n]*') == q)
  if mine and redis.call('ZADD', key(P, 'cx'), 'NX', now_ms, task) == 1 then
    count = count + 1
    redis.call('PUBLISH', P .. 'cancel', task)
  end
end
if count > 0 then journal(P, entry, count, true) end
return ledger_keep(P, call, {'ok', page[1], count})
