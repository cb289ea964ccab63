-- How many tasks are delayed in a queue, as the index of delayed lists knows them; nil where there are too many lists.
local function delayed_in(P, q)
  local index, sum = key(P, 'delayed'), 0
  if redis.call('ZCARD', index) > 3000 then return nil end
  for _, member in ipairs(redis.call('ZRANGE', index, 0, -1)) do
    local seg, of = string.match(member, '^([^:]+):(.*)$')
    if of == q then sum = sum + list_size(P, seg, 'd', q) end
  end
  return sum
end
