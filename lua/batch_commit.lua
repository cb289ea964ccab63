-- Makes a staged batch visible, all of it in one step.
-- Moves: – → ready | delayed; batch – → running
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it)
--   3 batch str
--   4 tenant str
--   5 label str
--   6 idem str (digest of tenant and idempotency key, or empty)
--   7 fail str (how many tasks have to fail for the batch to be cancelled, or what share: 3, 5% or empty)
--   8 sizes json ({kind, queue, n}: what must have been staged; a 1 behind it where some tasks are unique)
--   9 continuations bytes...  (at most 100)
-- Returns: {"ok", id of the batch that the tenant has under this id or key}; {"gap"} when a part of
--   the staged tasks, or of their locks, is missing; {"queues", how many};
--   what include/queue_room.lua refuses with; {"stale"}
-- Includes: guard, now, ledger_find, ledger_keep, entries_check, sizes_hold, queues_add, queue_room, batch_open,
--   locks_staged
-- Cost: O(queues)
local slot = KEYS[1]
local P, call, batch, tenant, label, idem = ARGV[1], cjson.decode(ARGV[2]), ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local fail, sizes = ARGV[7], cjson.decode(ARGV[8])
guard(slot)
local known = ledger_find(P, call)
if known then return known end
if redis.call('EXISTS', key(P, 'b', batch)) == 1 then return ledger_keep(P, call, {'ok', batch}) end
local first = idem ~= '' and redis.call('GET', key(P, 'idem', idem))
if first and (#first ~= 22 or redis.call('EXISTS', key(P, 'b', first)) == 1) then return ledger_keep(P, call, {'ok', first}) end
if not sizes_hold(P, batch, sizes) then return {'gap'} end
local unique = locks_staged(P, batch, sizes)
if unique == 'robbed' then return {'gap'} end
local queues, count = queues_add('', sizes)
if count > 64 then return {'queues', count} end
local entries = {unpack(ARGV, 9)}
entries_check(entries)
local refusal = queue_room(P, sizes, tenant, redis.call('HGET', key(P, 'b', batch, 'staged'), 'largest'))
if refusal then return ledger_keep(P, call, refusal) end
local now_ms, us = now()
local b = {id = batch, tenant = tenant, continuations = 0, fail_after = fail, unique = unique}
redis.call('HINCRBY', key(P, 't', tenant), 'batches', 1) -- of a wrong type it stops this before anything is seen
batch_open(P, now_ms, us, b, label, idem, sizes, queues, entries)
redis.call('DEL', key(P, 'b', batch, 'staged'))
redis.call('ZREM', key(P, 'staging'), batch)
return ledger_keep(P, call, {'ok', batch})
