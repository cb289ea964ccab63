-- How many tasks of a tenant are ready in a queue, in the lists that are in its line; nil where too many lists are.
local function ready_in(P, q, tenant)
  local segs, seen, sum = {}, {}, 0
  if redis.call('HGET', key(P, 'q', q), 'mode') == 'fifo' then
    if redis.call('LLEN', key(P, 'fifo', q)) > 3000 then return nil end
    for _, ticket in ipairs(redis.call('LRANGE', key(P, 'fifo', q), 0, -1)) do
      segs[#segs + 1] = string.match(ticket, '^(.*):%d+$')
    end
  else
    if redis.call('LLEN', key(P, 'lane', q, tenant)) > 3000 then return nil end
    segs = redis.call('LRANGE', key(P, 'lane', q, tenant), 0, -1)
  end
  for _, seg in ipairs(segs) do
    local size = not seen[seg] and redis.call('LLEN', key(P, 'b', seg, 'r', q)) or 0
    seen[seg] = true
    if size > 0 then
      local b = redis.call('HMGET', key(P, 'b', string.sub(seg, 1, 22)), 'tenant', 'tombs:' .. seg .. ':' .. q)
      if b[1] == tenant then sum = sum + size - (b[2] or 0) end
    end
  end
  return sum
end
