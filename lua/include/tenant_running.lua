-- How many of a tenant's tasks run in all queues; in one of them it is known how many. sums: what was counted before for tenants;
-- a step that looks at one in many queues counts once.
-- Seldom called.
local function tenant_running(P, tenant, q, here, sums)
  if sums[tenant] then return sums[tenant] end
  local sum = here
  for _, other in ipairs(redis.call('SMEMBERS', key(P, 'tqs', tenant))) do
    if other ~= q then
      local n = redis.call('HMGET', key(P, 'tq', other, tenant), 'claimed', 'settled')
      sum = sum + whole(n[1]) - whole(n[2])
    end
  end
  sums[tenant] = sum
  return sum
end
