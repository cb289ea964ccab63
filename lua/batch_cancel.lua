-- Cancels a batch: what doesn't run is gone and counted at once, what runs is counted and told to stop.
-- Moves: ready | delayed | running → cancelled; dead letters are dropped; batch running | failed → cancelled
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it)
--   3 batch str
--   4 tenant str (or empty: whoever's)
--   5 entry str (for the journal, as include/journal.lua has it)
-- Returns: {"ok"}; {"unknown"}; {"settled"} when nothing is left to cancel; {"stale"}
-- Includes: guard, now, ledger_find, ledger_keep, batch_read, batch_stop, journal
-- Cost: O(queues × segments)
local slot = KEYS[1]
local P, call, batch, tenant, entry = ARGV[1], cjson.decode(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
guard(slot)
local known = ledger_find(P, call)
if known then return known end
local b = batch_read(P, batch)
if not b.state or b.state == 'open' or (tenant ~= '' and b.tenant ~= tenant) then return {'unknown'} end
local live = b.remaining > 0
if not live and not (b.state == 'failed' and redis.call('EXISTS', key(P, 'b', batch, 'w')) == 1) then
  return ledger_keep(P, call, {'settled'})
end
local now_ms, us = now()
batch_stop(P, now_ms, us, b)
journal(P, entry, b.remaining)
return ledger_keep(P, call, {'ok'})
