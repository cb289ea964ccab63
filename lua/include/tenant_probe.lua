-- Puts the first ticket that was set aside of a tenant back at the head of a strict queue's line; not where the one before it
-- stands there still, so that they keep their order.
-- Seldom called.
local function tenant_probe(P, q, tenant, there)
  local line, tq = key(P, 'fifo', q), key(P, 'tq', q, tenant)
  if there and redis.call('EXISTS', line) == 1 then return end
  redis.call('HDEL', tq, 'probe')
  if not redis.call('LMOVE', key(P, 'aside', q, tenant), line, 'LEFT', 'LEFT') then return end
  redis.call('HSET', tq, 'probe', 1)
  wake(P, q)
end
