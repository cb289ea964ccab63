-- What remains of a tenant's batches in all, from a place in its list on, n batches at most; the open one counts with the
-- first.
local function tenant_sum(P, tenant, from, n)
  local sum = 0
  local home = from == 0 and redis.call('HGET', key(P, 't', tenant), 'hidden')
  if home then sum = tonumber(redis.call('HGET', key(P, 'b', home), 'remaining') or 0) end
  for _, batch in ipairs(redis.call('ZRANGE', key(P, 'tb', tenant), from, from + n - 1)) do
    sum = sum + (redis.call('HGET', key(P, 'b', batch), 'remaining') or 0)
  end
  return sum
end
