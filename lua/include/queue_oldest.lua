-- When the oldest ready task was created among the heads of the first 20 tenants of a queue and of 20 lists that
-- wait for limits, in ms; '' for none.
local function queue_oldest(P, q)
  local segs, oldest = {}, nil
  for _, tenant in ipairs(redis.call('ZRANGE', key(P, 'ring', q), 0, 19)) do
    segs[#segs + 1] = redis.call('LINDEX', key(P, 'lane', q, tenant), 0) or nil
  end
  local ticket = redis.call('LINDEX', key(P, 'fifo', q), 0)
  if ticket then segs[#segs + 1] = string.match(ticket, '^(.*):%d+$') end
  for _, seg in ipairs(limit_lists(P, q, 20)) do segs[#segs + 1] = seg end
  for _, seg in ipairs(segs) do
    local body = redis.call('LINDEX', key(P, 'b', seg, 'r', q), 0)
    local ext = body and #body > 11 and body_ext(body)
    local created = ext and count(ext.c) or 0
    if body and created == 0 then
      created = (redis.call('HGET', key(P, 'b', string.sub(seg, 1, 22)), 'created') or 0) / 1000
    end
    if body and (not oldest or created < oldest) then oldest = created end
  end
  return oldest and string.format('%.0f', oldest) or ''
end
