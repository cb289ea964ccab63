-- Lets a tenant's account in a queue go by another weight, and moves it in the ring to where it stands by that.
-- Seldom called.
local function tenant_weigh(P, q, tenant, weight)
  local tq = key(P, 'tq', q, tenant)
  if weight == 1 then redis.call('HDEL', tq, 'weight') else redis.call('HSET', tq, 'weight', weight) end
  local score = limit_turn(P, q, tenant)
  redis.call('ZADD', key(P, 'ring', q), 'XX', string.format('%.0f', score), tenant)
  return score
end
