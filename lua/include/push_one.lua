-- Puts bodies on a segment's ready list, in their order, at its tail or its head.
local function push_one(P, q, tenant, seg, bodies, at_head)
  local n, list, batch = #bodies, key(P, 'b', seg, 'r', q), string.sub(seg, 1, 22)
  local size
  if at_head then
    local reversed = {}
    for i = n, 1, -1 do reversed[#reversed + 1] = bodies[i] end
    size = redis.call('LPUSH', list, unpack(reversed))
  else
    size = redis.call('RPUSH', list, unpack(bodies))
  end
  if size == n and seg ~= batch then redis.call('SADD', key(P, 'b', batch, 'segs'), seg .. ':r:' .. q) end
  ready(P, q, tenant, seg, n, size == n, at_head)
end
