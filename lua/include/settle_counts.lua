-- Takes settled runs off the accounts of queues, tenants in queues, and tenants, once each; tenants whose rules held them up
-- may go on. One that is broken stops none of the others.
local function settle_counts(P, now_ms, us, runs, ends, broken)
  local queues, ruled = {}, redis.call('HEXISTS', key(P, 'm'), 'rules') == 1
  local function run(r)
    local tq = key(P, 'tq', r.queue, r.tenant)
    redis.call('HINCRBY', tq, 'settled', r.n)
    redis.call('HINCRBY', tq, 'us', r.us)
    local weight = ruled and tonumber(redis.call('HGET', tq, 'weight') or nil) or 1
    if weight ~= 1 then redis.call('HINCRBY', tq, 'offset', math.floor(r.us / weight) - r.us) end
    redis.call('ZADD', key(P, 'ring', r.queue), 'XX', 'INCR', math.floor((r.us - tau() * r.n) / weight), r.tenant)
  end
  for _, r in pairs(runs) do
    queues[r.queue] = (queues[r.queue] or 0) + r.n
    apart(broken, 'tenant', r.tenant, run, r)
  end
  for q, n in pairs(queues) do apart(broken, 'queue', q, redis.call, 'HINCRBY', key(P, 'q', q), 'settled', n) end
  if ruled then apart(broken, 'tenants', 'out', tenants, P, 'settled', us, runs, broken) end
  for tenant, e in pairs(ends) do
    apart(broken, 'tenant', tenant, tenant_settle, P, now_ms, tenant, e[1], e[2], e[3], e[4])
  end
end
