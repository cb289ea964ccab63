-- Takes n tasks that will not be claimed off the accounts of queue and tenant; a tenant without ready
-- work leaves the ring.
local function unready(P, q, tenant, n)
  local tq = key(P, 'tq', q, tenant)
  local claimed = tonumber(redis.call('HGET', tq, 'claimed') or 0)
  redis.call('HINCRBY', key(P, 'q', q), 'pushed', 0 - n)
  if redis.call('HINCRBY', tq, 'pushed', 0 - n) <= claimed then
    redis.call('ZREM', key(P, 'ring', q), tenant)
    redis.call('UNLINK', key(P, 'lane', q, tenant))
  end
end
