-- The tenants that stand out of a queue's line, by name; none where more than 1,000 stand out of any.
local function tenants_out(P, q)
  local found = {}
  if redis.call('SCARD', key(P, 'out')) > 1000 then return found end
  for _, tenant in ipairs(redis.call('SMEMBERS', key(P, 'out'))) do
    if redis.call('SISMEMBER', key(P, 'out', tenant), q) == 1 then found[#found + 1] = tenant end
  end
  table.sort(found)
  return found
end
