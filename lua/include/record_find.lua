-- The record of a kept task as it was enqueued, queue and body; nil where there is none. Those of a segment lie with it,
-- and an index by the first id in each leads to it.
local function record_find(P, batch, id)
  local found = redis.call('HGET', key(P, 'b', batch, 'rec'), id)
  if found then return found end
  local member = redis.call('ZREVRANGEBYLEX', key(P, 'b', batch, 'recs'), '[' .. id .. '~', '-', 'LIMIT', 0, 1)[1]
  return member and redis.call('HGET', key(P, 'b', batch .. '+' .. string.sub(member, 11), 'rec'), id) or nil
end
