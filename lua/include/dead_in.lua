-- How many dead letters a queue has, as its index of batches knows them, and how many of each tenant; nil where there are too
-- many batches.
local function dead_in(P, q)
  local index, sum, tenants = key(P, 'dead', q), 0, {}
  if redis.call('ZCARD', index) > 3000 then return nil end
  for _, batch in ipairs(redis.call('ZRANGE', index, 0, -1)) do
    local n = list_size(P, batch, 'x', q)
    sum = sum + n
    of_tenant(P, tenants, batch, n)
  end
  return sum, tenants
end
