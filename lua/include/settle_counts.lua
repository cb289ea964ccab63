-- Takes settled runs off the accounts of queues, tenants in queues, and tenants, once each. One that is broken stops none
-- of the others.
local function settle_counts(P, now_ms, runs, ends, broken)
  local queues = {}
  local function run(r)
    local tq = key(P, 'tq', r.queue, r.tenant)
    redis.call('HINCRBY', tq, 'settled', r.n)
    redis.call('HINCRBY', tq, 'us', r.us)
    redis.call('ZADD', key(P, 'ring', r.queue), 'XX', 'INCR', r.us - tau() * r.n, r.tenant)
  end
  for _, r in pairs(runs) do
    queues[r.queue] = (queues[r.queue] or 0) + r.n
    apart(broken, 'tenant', r.tenant, run, r)
  end
  for q, n in pairs(queues) do apart(broken, 'queue', q, redis.call, 'HINCRBY', key(P, 'q', q), 'settled', n) end
  for tenant, e in pairs(ends) do
    apart(broken, 'tenant', tenant, tenant_settle, P, now_ms, tenant, e[1], e[2], e[3], e[4])
  end
end
