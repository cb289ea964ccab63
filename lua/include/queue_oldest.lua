-- Since when the task waits that has waited longest among the heads of the first 20 tenants of a queue and of 20 lists that
-- wait for limits, in ms; '' for none.
local function queue_oldest(P, q)
  local segs = {}
  for _, tenant in ipairs(redis.call('ZRANGE', key(P, 'ring', q), 0, 19)) do
    segs[#segs + 1] = redis.call('LINDEX', key(P, 'lane', q, tenant), 0) or nil
  end
  local ticket = redis.call('LINDEX', key(P, 'fifo', q), 0)
  if ticket then segs[#segs + 1] = string.match(ticket, '^(.*):%d+$') end
  for _, seg in ipairs(limit_lists(P, q, 20)) do segs[#segs + 1] = seg end
  return segs_oldest(P, q, segs)
end
