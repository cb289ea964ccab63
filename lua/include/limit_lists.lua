-- The segments of a queue that wait for limits, each limit's in their turn, so many at most.
local function limit_lists(P, q, most)
  local segs, limits = {}, redis.call('SMEMBERS', key(P, 'held', q))
  table.sort(limits)
  for _, l in ipairs(limits) do
    if #segs >= most then break end
    for _, seg in ipairs(redis.call('ZRANGE', key(P, 'park', l, q), 0, most - #segs - 1)) do segs[#segs + 1] = seg end
  end
  return segs
end
