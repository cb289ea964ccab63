-- Takes one task out of the middle of a ready list: an empty entry stays that claims skip, counted on
-- the batch; a list of nothing else is dropped.
local function tombstone(P, b, place)
  local q, at, seg = place[2], place[4], place[5]
  local list, record, field = key(P, 'b', seg, 'r', q), key(P, 'b', b.id), 'tombs:' .. seg .. ':' .. q
  redis.call('LSET', list, at, '')
  if redis.call('HINCRBY', record, field, 1) == redis.call('LLEN', list) then
    redis.call('UNLINK', list)
    redis.call('HDEL', record, field)
    if seg ~= b.id then redis.call('SREM', key(P, 'b', b.id, 'segs'), seg .. ':r:' .. q) end
  end
  unready(P, q, b.tenant, 1)
end
