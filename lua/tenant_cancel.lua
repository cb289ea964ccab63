-- Cancels a part of a tenant's batches, the oldest first: those that were there when the call began and have something left.
-- Moves: ready | delayed | running → cancelled; batch running → cancelled
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it)
--   3 tenant str
--   4 after str (a batch: those that follow it; empty at first)
--   5 until str (µs, as the first part told it; empty at first)
--   6 fire int (0: their continuations are not fired)
--   7 entry str (for the journal, as include/journal.lua has it; each part adds to it)
-- Returns: {"ok", how many tasks, after ("" at the end), until, broken}; broken: those left out since their keys can't be used;
--   {"stale"}
-- Includes: guard, now, apart, ledger_find, ledger_keep, batch_read, batch_quiet, batch_stop,
--   journal
-- Cost: O(n × queues) for 250 batches, 1,000 keys or so at most
local slot = KEYS[1]
local P, call, tenant, after, before, fires = ARGV[1], cjson.decode(ARGV[2]), ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6]
local entry = ARGV[7]
guard(slot)
local known = ledger_find(P, call)
if known then return known end
local now_ms, us = now()
before = before or us
local list, count, budget, last, broken = key(P, 'tb', tenant), 0, 1000, '', {}
local rank = after ~= '' and redis.call('ZRANK', list, after) -- one that was pruned meanwhile: from the first on again
local first = rank and rank + 1 or 0
local found = redis.call('ZRANGE', list, first, first + 249, 'WITHSCORES')
redis.call('ZREM', list, '') -- the first write, which a full Redis lets through
local function stop(batch)
  local b = batch_read(P, batch)
  if b.state ~= 'running' or b.remaining == 0 then return 0 end
  if fires == '0' then batch_quiet(P, b) end
  local _, queues = string.gsub(redis.call('HGET', key(P, 'b', batch), 'queues') or '', '%S+', '')
  budget = budget - 20 - 9 * queues - 3 * redis.call('SCARD', key(P, 'b', batch, 'segs')) - b.continuations
  batch_stop(P, now_ms, us, b)
  return b.remaining
end
for i = 1, #found, 2 do
  if tonumber(found[i + 1]) > before then
    last = ''
    break
  end
  if budget <= 0 then break end
  count, budget, last = count + (apart(broken, 'batch', found[i], stop, found[i]) or 0), budget - 1, found[i]
  if i == #found - 1 and #found < 500 then last = '' end
end
if count > 0 then journal(P, entry, count, true) end
return ledger_keep(P, call, {'ok', count, last, string.format('%.0f', before), broken})
