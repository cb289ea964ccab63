-- Deletes the totals of tenants that have had nothing to run and nothing kept for the retention, and
-- queues that no tenant is left in; workers that are gone leave the list.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 retention int (ms)
--   3 limit int (at most 10)
-- Returns: {"ok", how many were dealt with, how many were due: fewer are dealt with where they use many
--   queues, broken}; broken: those that were put off since their keys can't be used
-- Includes: guard, now, whole, apart, tenant_forget, put_off
-- Cost: O(n × queues) for n tenants, 500 queues or so at most
local slot = KEYS[1]
local P, retention, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
guard(slot)
local now_ms = now()
local idle, done, budget, broken = key(P, 'idle'), 0, 500, {}
redis.pcall('ZREMRANGEBYSCORE', key(P, 'workers'), '-inf', now_ms)
local tenants = redis.call('ZRANGEBYSCORE', idle, '-inf', now_ms - retention, 'LIMIT', 0, limit)
for _, tenant in ipairs(tenants) do
  if budget <= 0 then break end
  done, budget = done + 1, budget - whole(redis.pcall('SCARD', key(P, 'tqs', tenant)))
  if not apart(broken, 'tenant', tenant, tenant_forget, P, now_ms, tenant, retention) then
    put_off(idle, now_ms - retention, tenant, true)
  end
end
return {'ok', done, #tenants, broken}
