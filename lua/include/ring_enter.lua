-- Puts a tenant with ready work into its queue's ring, no earlier than the queue's virtual time:
-- what it was served stays on its account, and time that it was idle is no credit. One that stands outside since its rules
-- leave it no room stays there.
local function ring_enter(P, q, tenant, virtual)
  local ring, tq = key(P, 'ring', q), key(P, 'tq', q, tenant)
  if redis.call('ZSCORE', ring, tenant) or redis.pcall('SISMEMBER', key(P, 'out', tenant), q) == 1 then return end
  local t = redis.call('HMGET', tq, 'us', 'offset', 'claimed', 'settled', 'weight')
  local served = (t[1] or 0) + (t[2] or 0)
  if served < virtual then
    redis.call('HSET', tq, 'offset', string.format('%.0f', virtual - (t[1] or 0)))
    served = virtual
  end
  local running = tau() / (t[5] or 1) * ((t[3] or 0) - (t[4] or 0))
  redis.call('ZADD', ring, string.format('%.0f', served + running), tenant)
end
