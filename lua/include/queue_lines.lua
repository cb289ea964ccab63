-- The segments with ready tasks of a queue, in the order of its line, then those of tenants that stand out of it and those that
-- wait for limits, each once, so many at most.
local function queue_lines(P, q, most)
  local segs, seen = {}, {}
  local function add(seg)
    if seg and not seen[seg] and #segs < most then
      seen[seg] = true
      segs[#segs + 1] = seg
    end
  end
  local function line(name)
    if #segs >= most then return end
    for _, entry in ipairs(redis.call('LRANGE', name, 0, most - 1)) do add(string.match(entry, '^[^:]*')) end
  end
  for _, tenant in ipairs(redis.call('ZRANGE', key(P, 'ring', q), 0, most - 1)) do line(key(P, 'lane', q, tenant)) end
  line(key(P, 'fifo', q))
  for _, tenant in ipairs(tenants_out(P, q)) do
    line(key(P, 'lane', q, tenant))
    line(key(P, 'aside', q, tenant))
  end
  for _, seg in ipairs(limit_lists(P, q, most)) do add(seg) end
  return segs
end
