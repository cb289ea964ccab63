-- The segments with ready tasks of a queue, in the order of its line, then those that wait for limits, each once, so many at
-- most.
local function queue_lines(P, q, most)
  local segs, seen = {}, {}
  local function add(seg)
    if seg and not seen[seg] and #segs < most then
      seen[seg] = true
      segs[#segs + 1] = seg
    end
  end
  for _, tenant in ipairs(redis.call('ZRANGE', key(P, 'ring', q), 0, most - 1)) do
    if #segs >= most then break end
    for _, seg in ipairs(redis.call('LRANGE', key(P, 'lane', q, tenant), 0, most - 1)) do add(seg) end
  end
  for _, ticket in ipairs(redis.call('LRANGE', key(P, 'fifo', q), 0, most - 1)) do
    add(string.match(ticket, '^(.*):%d+$'))
  end
  for _, seg in ipairs(limit_lists(P, q, most)) do add(seg) end
  return segs
end
