-- Deletes all records of a batch, those of its segments too, and what was kept with them; how many keys were looked at.
local function records_drop(P, batch)
  local segs = redis.call('ZRANGE', key(P, 'b', batch, 'recs'), 0, -1)
  for _, member in ipairs(segs) do
    local seg = batch .. '+' .. string.sub(member, 11)
    redis.call('UNLINK', key(P, 'b', seg, 'rec'), key(P, 'b', seg, 'big'))
  end
  local names = {'rec', 'recs', 'e', 'big'}
  for i, name in ipairs(names) do names[i] = key(P, 'b', batch, name) end
  redis.call('UNLINK', unpack(names))
  return 2 * #segs + #names
end
