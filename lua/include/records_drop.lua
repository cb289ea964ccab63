-- Deletes the records of a batch, those of 500 of its segments at most, and what was kept with them; how many keys were
-- looked at.
local function records_drop(P, batch)
  local index, names = key(P, 'b', batch, 'recs'), {'rec', 'e', 'big'}
  local segs = redis.call('ZRANGE', index, 0, 499)
  if #segs > 0 then redis.call('ZREM', index, unpack(segs)) end
  for _, member in ipairs(segs) do
    local seg = batch .. '+' .. string.sub(member, 11)
    redis.call('UNLINK', key(P, 'b', seg, 'rec'), key(P, 'b', seg, 'big'))
  end
  for i, name in ipairs(names) do names[i] = key(P, 'b', batch, name) end
  redis.call('UNLINK', unpack(names))
  return 2 * #segs + #names
end
