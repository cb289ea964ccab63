-- Lets a tenant's oldest batches be pruned at once when it keeps more than 100,000, as far as they have settled:
-- a thousand batches a second, kept for a week, would be 200 GB.
local function batch_cap(P, tenant)
  local list = key(P, 'tb', tenant)
  local over = redis.call('ZCARD', list) - 100000
  if over <= 0 then return end
  for _, batch in ipairs(redis.call('ZRANGE', list, math.max(0, over - 4), over - 1)) do
    redis.call('ZADD', key(P, 'settled'), 'XX', 0, batch)
  end
end
