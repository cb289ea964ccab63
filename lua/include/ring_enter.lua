-- Puts a tenant with ready work into its queue's ring, no earlier than the queue's virtual time:
-- what it was served stays on its account, and time that it was idle is no credit.
local function ring_enter(P, q, tenant, virtual)
  local ring, tq = key(P, 'ring', q), key(P, 'tq', q, tenant)
  if redis.call('ZSCORE', ring, tenant) then return end
  local t = redis.call('HMGET', tq, 'us', 'offset', 'claimed', 'settled')
  local served = (t[1] or 0) + (t[2] or 0)
  if served < virtual then
    redis.call('HSET', tq, 'offset', string.format('%.0f', virtual - (t[1] or 0)))
    served = virtual
  end
  redis.call('ZADD', ring, served + tau() * ((t[3] or 0) - (t[4] or 0)), tenant)
end
