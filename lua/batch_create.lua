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
--   7 fail str (how many tasks have to fail for the batch to be cancelled, or what share: 3, 5% or empty)
--   8 lists json (as include/stage_put.lua and locks_sift.lua have them, at most 1,000 tasks)
--   9 continuations int (at most 100)
--   10 bodies bytes...  (continuations first, then those of the lists)
-- Returns: {"ok", id of the batch that the tenant has under this id or key}; {"queues", how many};
--   what include/queue_room.lua refuses with; {"stale"}; {"wait"} while an equal unique task is being staged
-- Includes: guard, now, ledger_find, ledger_keep, entries_check, lists_check, stage_put, list_sizes, queues_add,
--   queue_room, batch_open, locks_sift, locks_take
-- Cost: O(n) for n tasks
local slot = KEYS[1]
local P, call, batch, tenant, label, idem = ARGV[1], cjson.decode(ARGV[2]), ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local fail, lists, continuations = ARGV[7], cjson.decode(ARGV[8]), tonumber(ARGV[9])
guard(slot)
local known = ledger_find(P, call)
if known then return known end
if redis.call('EXISTS', key(P, 'b', batch)) == 1 then return ledger_keep(P, call, {'ok', batch}) end
local first = idem ~= '' and redis.call('GET', key(P, 'idem', idem))
if first and (#first ~= 22 or redis.call('EXISTS', key(P, 'b', first)) == 1) then return ledger_keep(P, call, {'ok', first}) end
lists_check(lists, #ARGV - 9 - continuations)
local now_ms, us = now()
local bodies, at, plan = locks_sift(P, now_ms, batch, lists, ARGV, 10 + continuations)
if not bodies then return {'wait'} end
local sizes = list_sizes(lists)
local queues, count = queues_add('', sizes)
if count > 64 then return {'queues', count} end
local entries = {}
for i = 10, 9 + continuations do entries[#entries + 1] = ARGV[i] end
entries_check(entries)
local refusal = queue_room(P, sizes, tenant, bodies, at)
if refusal then return ledger_keep(P, call, refusal) end
redis.call('HINCRBY', key(P, 't', tenant), 'batches', 1) -- of a wrong type it stops this before anything is stored
local unique = locks_take(P, now_ms, batch, plan)
stage_put(P, now_ms, batch, lists, bodies, at, false)
local b = {id = batch, tenant = tenant, continuations = 0, fail_after = fail, unique = unique}
batch_open(P, now_ms, us, b, label, idem, sizes, queues, entries)
return ledger_keep(P, call, {'ok', batch})
