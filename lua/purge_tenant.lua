-- Deletes a tenant's open batch, its accounts, what is said of its schedules and its places in all indexes.
-- Moves: failed → gone
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it)
--   3 tenant str
-- Returns: {"ok", id of the open batch or ""}; {"busy"} where it still has batches, or tasks that wait or run, whose unique locks
--   nobody would find; {"stale"}
-- Includes: guard, now, whole, ledger_find, ledger_keep, drop_list, locks_drop, tenant_drop
-- Cost: O(queues × segments)
local slot = KEYS[1]
local P, call, tenant = ARGV[1], cjson.decode(ARGV[2]), ARGV[3]
guard(slot)
local known = ledger_find(P, call)
if known then return known end
local now_ms, home = now(), redis.call('HGET', key(P, 't', tenant), 'hidden')
local queues = redis.call('SMEMBERS', key(P, 'tqs', tenant))
if redis.call('EXISTS', key(P, 'tb', tenant)) == 1 then return {'busy'} end
for _, q in ipairs(queues) do
  local n = redis.call('HMGET', key(P, 'tq', q, tenant), 'pushed', 'claimed', 'settled', 'delayed')
  if math.max(whole(n[1]), whole(n[2])) > whole(n[3]) or whole(n[4]) > 0 then return {'busy'} end
end
redis.call('ZREM', key(P, 'idle'), tenant) -- the first write, which a full Redis lets through
if home then
  local b = {id = home, tenant = tenant}
  for _, member in ipairs(redis.call('SMEMBERS', key(P, 'b', home, 'segs'))) do
    local seg, kind, q = string.match(member, '^([^:]+):([rd]):(.*)$')
    if seg then drop_list(P, b, seg, kind, q) end
  end
  for _, q in ipairs(queues) do
    for _, kind in ipairs({'r', 'd', 'x'}) do drop_list(P, b, home, kind, q) end
    redis.call('ZREM', key(P, 'settled'), home .. ':' .. q)
  end
  redis.call('ZREM', key(P, 'settled'), home .. ':+')
  redis.call('UNLINK', key(P, 'b', home, 'kept'))
  locks_drop(P, now_ms, home)
end
tenant_drop(P, tenant, home)
redis.call('ZREM', key(P, 'idle'), tenant)
redis.call('HDEL', key(P, 'slimits'), 't' .. tenant)
return ledger_keep(P, call, {'ok', home or ''})
