-- Puts bodies on a segment's ready list, in their order, at its tail or its head.
local function push(P, q, tenant, seg, bodies, at_head)
  local n, list = #bodies, key(P, 'b', seg, 'r', q)
  local size
  if at_head then
    local reversed = {}
    for i = n, 1, -1 do reversed[#reversed + 1] = bodies[i] end
    size = redis.call('LPUSH', list, unpack(reversed))
  else
    size = redis.call('RPUSH', list, unpack(bodies))
  end
  ready(P, q, tenant, seg, n, size == n, at_head)
end
