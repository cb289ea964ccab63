-- How many of a tenant's tasks run in all queues; in one of them it is known how many.
-- Seldom called.
local function tenant_running(P, tenant, q, here)
  local sum = here
  for _, other in ipairs(redis.call('SMEMBERS', key(P, 'tqs', tenant))) do
    if other ~= q then
      local n = redis.call('HMGET', key(P, 'tq', other, tenant), 'claimed', 'settled')
      sum = sum + whole(n[1]) - whole(n[2])
    end
  end
  return sum
end
