-- How many tasks of a tenant are ready in a queue, in the lists that are in its line or wait for limits, and how many of them
-- wait; nil where too many lists are.
local function ready_in(P, q, tenant)
  local segs, seen, sum, held = limit_lists(P, q, 3001), {}, 0, 0
  local waiting, line = #segs, {}
  if redis.call('HGET', key(P, 'q', q), 'mode') == 'fifo' then
    if redis.call('LLEN', key(P, 'fifo', q)) > 3000 then return nil end
    for _, name in ipairs({key(P, 'fifo', q), key(P, 'aside', q, tenant)}) do
      for _, ticket in ipairs(redis.call('LRANGE', name, 0, 3000)) do
        line[#line + 1] = string.match(ticket, '^(.*):%d+$')
      end
    end
    if #line > 3000 then return nil end
  else
    if redis.call('LLEN', key(P, 'lane', q, tenant)) > 3000 then return nil end
    line = redis.call('LRANGE', key(P, 'lane', q, tenant), 0, -1)
  end
  if waiting > 3000 then return nil end
  for _, seg in ipairs(line) do segs[#segs + 1] = seg end
  for i, seg in ipairs(segs) do
    local size = not seen[seg] and redis.call('LLEN', key(P, 'b', seg, 'r', q)) or 0
    seen[seg] = true
    if size > 0 then
      local b = redis.call('HMGET', key(P, 'b', string.sub(seg, 1, 22)), 'tenant', 'tombs:' .. seg .. ':' .. q)
      local n = b[1] == tenant and size - (b[2] or 0) or 0
      sum, held = sum + n, held + (i <= waiting and n or 0)
    end
  end
  return sum, held
end
