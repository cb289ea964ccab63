-- Deletes the totals of tenants that have had nothing to run and nothing kept for the retention, and
-- queues that no tenant is left in; workers that are gone leave the list.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 retention int (ms)
--   3 limit int (at most 10)
-- Returns: {"ok", how many were dealt with, how many were due: fewer are dealt with where they use many queues}
-- Includes: guard, now, tenant_busy, tenant_drop
-- Cost: O(n × queues) for n tenants, 500 queues or so at most
local slot = KEYS[1]
local P, retention, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
guard(slot)
local now_ms = now()
local idle, done, budget = key(P, 'idle'), 0, 500
redis.call('ZREMRANGEBYSCORE', key(P, 'workers'), '-inf', now_ms)
local tenants = redis.call('ZRANGEBYSCORE', idle, '-inf', now_ms - retention, 'LIMIT', 0, limit)
for _, tenant in ipairs(tenants) do
  if budget <= 0 then break end
  done, budget = done + 1, budget - redis.call('SCARD', key(P, 'tqs', tenant))
  local t = redis.call('HMGET', key(P, 't', tenant), 'remaining', 'hidden')
  if tonumber(t[1] or 0) > 0 then
    redis.call('ZREM', idle, tenant)
  elseif tenant_busy(P, tenant, t[2]) then
    redis.call('ZADD', idle, now_ms - retention + math.max(1000, math.min(retention, 60000)), tenant)
  else
    tenant_drop(P, tenant, t[2])
    redis.call('ZREM', idle, tenant)
  end
end
return {'ok', done, #tenants}
