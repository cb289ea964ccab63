-- Takes tasks out of a ready list by their places, which rise. upto: where it is given, they are all the tasks among so many
-- entries at its head, which then leave it. Else, and in a strict queue, whose tickets count entries, empty ones stay that claims
-- skip. A list of nothing else is dropped and leaves its line. Returns whether they have left the list's head.
local function ready_rid(P, b, q, seg, places, upto)
  local list, record, field = key(P, 'b', seg, 'r', q), key(P, 'b', b.id), 'tombs:' .. seg .. ':' .. q
  local strict = redis.call('HGET', key(P, 'q', q), 'mode') == 'fifo'
  if upto and not strict then
    redis.call('LPOP', list, upto)
    local empty = upto - #places
    if empty > 0 and redis.call('HINCRBY', record, field, 0 - empty) == 0 then redis.call('HDEL', record, field) end
  else
    for _, place in ipairs(places) do redis.call('LSET', list, place, '') end
    redis.call('HINCRBY', record, field, #places)
  end
  if strict then
    wake(P, q)
  elseif redis.call('LLEN', list) == whole(redis.call('HGET', record, field)) then
    limit_drop(P, seg, q)
    redis.call('UNLINK', list)
    redis.call('HDEL', record, field)
    local lane = key(P, 'lane', q, b.tenant)
    if redis.call('LLEN', lane) < 10000 then redis.call('LREM', lane, -1, seg) end
    if seg ~= b.id then redis.call('SREM', key(P, 'b', b.id, 'segs'), seg .. ':r:' .. q) end
  end
  if #places > 0 then unready(P, q, b.tenant, #places) end
  return upto and not strict
end
