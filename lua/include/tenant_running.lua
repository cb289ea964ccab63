-- How many of a tenant's tasks run in all queues.
-- Seldom called.
local function tenant_running(P, tenant)
  local sum = 0
  for _, q in ipairs(redis.call('SMEMBERS', key(P, 'tqs', tenant))) do
    local n = redis.call('HMGET', key(P, 'tq', q, tenant), 'claimed', 'settled')
    sum = sum + whole(n[1]) - whole(n[2])
  end
  return sum
end
