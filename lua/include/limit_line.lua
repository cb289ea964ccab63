-- Puts a list that waited for its limit back to the front of its tenant's turn, or of a strict queue's line, and wakes a worker.
local function limit_line(P, q, seg, tenant)
  local line = redis.call('HMGET', key(P, 'q', q), 'mode', 'virtual')
  if line[1] == 'fifo' then
    local record, field = key(P, 'b', string.sub(seg, 1, 22)), 'tickets:' .. seg .. ':' .. q
    local n = whole(redis.call('HGET', record, field))
    redis.call('HSET', record, field, 0)
    ticket(P, q, seg, n > 0 and n or redis.call('LLEN', key(P, 'b', seg, 'r', q)), true)
  else
    redis.call('LPUSH', key(P, 'lane', q, tenant), seg)
    ring_enter(P, q, tenant, whole(line[2]))
  end
  wake(P, q)
end
