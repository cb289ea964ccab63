-- Deletes a part of a tenant's batches with all that belongs to them; what of them is left to run is cancelled first, and fires
-- nothing. Those whose tasks still run are left.
-- Moves: ready | delayed | failed → gone; batch running → cancelled
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it)
--   3 tenant str
--   4 skip int (so many that were left before)
-- Returns: {"ok", ids of those that are gone in a row, how many were left since their tasks run, 1 at the end}; {"stale"}
-- Includes: guard, now, ledger_find, ledger_keep, batch_read, batch_quiet, batch_stop,
--   batch_forget
-- Cost: O(n × queues) for 100 batches, 1,000 keys or so at most
local slot = KEYS[1]
local P, call, tenant, skip = ARGV[1], cjson.decode(ARGV[2]), ARGV[3], tonumber(ARGV[4])
guard(slot)
local known = ledger_find(P, call)
if known then return known end
local now_ms, us = now()
local list, budget, gone, left = key(P, 'tb', tenant), 1000, {}, 0
local found = redis.call('ZRANGE', list, skip, skip + 99)
redis.call('ZREM', list, '') -- the first write, which a full Redis lets through
for _, batch in ipairs(found) do
  if budget <= 0 then break end
  local b = batch_read(P, batch)
  if b.state == 'running' then
    batch_quiet(P, b)
    batch_stop(P, now_ms, us, b)
  end
  local keys, more = batch_forget(P, now_ms, batch, 0)
  budget = budget - 20 - keys
  if redis.call('EXISTS', key(P, 'b', batch)) == 0 then
    redis.call('ZREM', list, batch) -- one whose record was gone before
    gone[#gone + 1] = batch
  elseif not more then
    left = left + 1
  end
end
local over = skip + left >= redis.call('ZCARD', list)
return ledger_keep(P, call, {'ok', table.concat(gone), left, over and 1 or 0})
