-- Creates a batch whose tasks fit in one call; it is visible whole or not at all.
-- Moves: – → ready | delayed; batch – → running | done
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it)
--   3 batch str (22 characters, random)
--   4 tenant str
--   5 label str
--   6 idem str (digest of tenant and idempotency key, or empty)
--   7 lists json (as include/stage_put.lua has them, at most 1,000 tasks)
--   8 continuations int (at most 100)
--   9 bodies bytes...  (continuations first, then those of the lists)
-- Returns: {"ok", id of the batch that the tenant has under this id or key}; {"queues", how many};
--   {"full", queue, its limit, how many wait, how many more}; {"stale"}
-- Includes: guard, now, ledger_find, ledger_keep, entries_check, lists_check, stage_put, list_sizes, queues_add,
--   queue_room, batch_open
-- Cost: O(n) for n tasks
local slot = KEYS[1]
local P, call, batch, tenant, label, idem = ARGV[1], cjson.decode(ARGV[2]), ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local lists, continuations = cjson.decode(ARGV[7]), tonumber(ARGV[8])
guard(slot)
local known = ledger_find(P, call)
if known then return known end
if redis.call('EXISTS', key(P, 'b', batch)) == 1 then return ledger_keep(P, call, {'ok', batch}) end
local first = idem ~= '' and redis.call('GET', key(P, 'idem', idem))
if first then return ledger_keep(P, call, {'ok', first}) end
local sizes = list_sizes(lists)
local queues, count = queues_add('', sizes)
if count > 64 then return {'queues', count} end
local entries = {}
for i = 9, 8 + continuations do entries[#entries + 1] = ARGV[i] end
entries_check(entries)
lists_check(lists, #ARGV - 8 - continuations)
local refusal = queue_room(P, sizes)
if refusal then return ledger_keep(P, call, refusal) end
local now_ms, us = now()
redis.call('HINCRBY', key(P, 't', tenant), 'batches', 1) -- of a wrong type it stops this before anything is stored
stage_put(P, now_ms, batch, lists, ARGV, 9 + continuations, false)
local b = {id = batch, tenant = tenant, continuations = 0}
batch_open(P, now_ms, us, b, label, idem, sizes, queues, entries)
return ledger_keep(P, call, {'ok', batch})
