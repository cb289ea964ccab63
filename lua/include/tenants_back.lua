-- Lets tenants return to the lines out of which they stand, where they have room again. Of more than 300 lines the rest is left
-- to the next upkeep.
-- Seldom called.
local function tenants_back(P, us, names, broken)
  local left = 300
  for _, tenant in ipairs(names) do
    if left <= 0 then
      redis.call('ZADD', key(P, 'delayed'), 'LT', math.floor(us / 1000), '@' .. tenant)
    else
      left = left - (apart(broken, 'tenant', tenant, tenant_return, P, us, tenant) or 1)
    end
  end
end
