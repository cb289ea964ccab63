-- Lets a tenant's accounts go by the weight that its rules give it now, in 100 queues at most; in how many it looked.
local function tenant_reweigh(P, tenant)
  local weight = tenants(P, 'weight', tenant)
  local queues = redis.call('SRANDMEMBER', key(P, 'tqs', tenant), 100)
  for _, q in ipairs(queues) do
    local now_weight = tonumber(redis.call('HGET', key(P, 'tq', q, tenant), 'weight') or nil) or 1
    if now_weight ~= weight then tenants(P, 'weigh', q, tenant, weight) end
  end
  return #queues
end
