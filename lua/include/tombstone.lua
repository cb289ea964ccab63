-- Takes one task out of the middle of a ready list: an empty entry stays that claims skip, counted on the batch.
-- A list of nothing else is dropped, and leaves a lane that is not too long to look through; in a strict queue, whose
-- tickets count it, claims take it away.
local function tombstone(P, b, place)
  local q, at, seg = place[2], place[4], place[5]
  local list, record, field = key(P, 'b', seg, 'r', q), key(P, 'b', b.id), 'tombs:' .. seg .. ':' .. q
  redis.call('LSET', list, at, '')
  local tombs = redis.call('HINCRBY', record, field, 1)
  if redis.call('HGET', key(P, 'q', q), 'mode') == 'fifo' then
    wake(P, q)
  elseif tombs == redis.call('LLEN', list) then
    limit_drop(P, seg, q)
    redis.call('UNLINK', list)
    redis.call('HDEL', record, field)
    local lane = key(P, 'lane', q, b.tenant)
    if redis.call('LLEN', lane) < 10000 then redis.call('LREM', lane, -1, seg) end
    if seg ~= b.id then redis.call('SREM', key(P, 'b', b.id, 'segs'), seg .. ':r:' .. q) end
  end
  unready(P, q, b.tenant, 1)
end
