-- Appends tasks that fit in one call to a batch; a settled one runs again.
-- Moves: – → ready | delayed; batch done | failed → running
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it)
--   3 batch str
--   4 tenant str
--   5 idem str (digest of an idempotency key, or empty)
--   6 lists json (as include/stage_put.lua and locks_sift.lua have them, at most 1,000 tasks)
--   7 bodies bytes...
-- Returns: {"ok"}; {"unknown"} (the tenant has no such batch); {"cancelled"}; {"queues", how many};
--   what include/queue_room.lua refuses with; {"stale"}; {"wait"} while an equal unique task is being staged
-- Includes: guard, now, ledger_find, ledger_keep, lists_check, stage_put, list_sizes, join_check,
--   queue_room, counts_check, batch_join, locks_sift, locks_take
-- Cost: O(n) for n tasks
local slot = KEYS[1]
local P, call, batch, tenant, idem = ARGV[1], cjson.decode(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
local lists = cjson.decode(ARGV[6])
guard(slot)
local known = ledger_find(P, call)
if known then return known end
lists_check(lists, #ARGV - 6)
local now_ms = now()
local bodies, at, plan = locks_sift(P, now_ms, batch, lists, ARGV, 7)
local sizes = list_sizes(lists)
local b, refusal, queues = join_check(P, batch, tenant, idem, sizes)
if not b then return refusal[1] == 'ok' and ledger_keep(P, call, refusal) or refusal end
if not bodies then return {'wait'} end
refusal = queue_room(P, sizes, tenant, bodies, at)
if refusal then return ledger_keep(P, call, refusal) end
counts_check(key(P, 't', tenant), 'hidden', 'total', 'remaining')
if locks_take(P, now_ms, batch, plan) then redis.call('HSET', key(P, 'b', batch), 'unique', 1) end
stage_put(P, now_ms, batch, lists, bodies, at, true)
batch_join(P, now_ms, b, batch, sizes, queues)
if idem ~= '' then redis.call('SADD', key(P, 'b', batch, 'a'), idem) end
return ledger_keep(P, call, {'ok'})
