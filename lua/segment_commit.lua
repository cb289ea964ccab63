-- Appends a staged segment to its batch, all of it in one step; one that is refused or was appended before is dropped.
-- Moves: – → ready | delayed; batch done | failed → running
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it)
--   3 batch str
--   4 tenant str
--   5 seg str (the batch's id and a nonce)
--   6 idem str (digest of an idempotency key, or empty)
--   7 sizes json ({kind, queue, n}: what must have been staged; a 1 behind it where some tasks are unique)
-- Returns: {"ok"}; {"unknown"}; {"cancelled"}; {"gap"} when staged tasks or their locks are missing; {"busy"} when
--   too many appended segments still have tasks waiting; {"queues", how many};
--   what include/queue_room.lua refuses with; {"stale"}
-- Includes: guard, now, ledger_find, ledger_keep, sizes_hold, join_check, queue_room, counts_check, batch_join,
--   seg_drop, locks_staged
-- Cost: O(queues)
local slot = KEYS[1]
local P, call, batch, tenant, seg, idem = ARGV[1], cjson.decode(ARGV[2]), ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local sizes = cjson.decode(ARGV[7])
guard(slot)
local known = ledger_find(P, call)
if known then return known end
local now_ms = now()
local b, refusal, queues = join_check(P, batch, tenant, idem, sizes)
if not b then
  seg_drop(P, seg, now_ms)
  return refusal[1] == 'ok' and ledger_keep(P, call, refusal) or refusal
end
local appended = key(P, 'b', batch, 'a')
if redis.call('SISMEMBER', appended, seg) == 1 then return ledger_keep(P, call, {'ok'}) end
if not sizes_hold(P, seg, sizes) then return {'gap'} end
local unique = locks_staged(P, seg, sizes)
if unique == 'robbed' then return {'gap'} end
if redis.call('SCARD', key(P, 'b', batch, 'segs')) > 500 then return ledger_keep(P, call, {'busy'}) end
refusal = queue_room(P, sizes, tenant, redis.call('HGET', key(P, 'b', seg, 'staged'), 'largest'))
if refusal then return ledger_keep(P, call, refusal) end
counts_check(key(P, 't', tenant), 'hidden', 'total', 'remaining')
batch_join(P, now_ms, b, seg, sizes, queues)
if unique then redis.call('SADD', key(P, 'b', batch, 'segs'), seg .. ':u') end
redis.call('SADD', appended, seg, idem ~= '' and idem or seg)
redis.call('DEL', key(P, 'b', seg, 'staged'))
redis.call('ZREM', key(P, 'staging'), seg)
return ledger_keep(P, call, {'ok'})
