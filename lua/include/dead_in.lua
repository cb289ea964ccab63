-- How many dead letters a queue has, as its index of batches knows them; nil where there are too many batches.
local function dead_in(P, q)
  local index, sum = key(P, 'dead', q), 0
  if redis.call('ZCARD', index) > 3000 then return nil end
  for _, batch in ipairs(redis.call('ZRANGE', index, 0, -1)) do sum = sum + list_size(P, batch, 'x', q) end
  return sum
end
