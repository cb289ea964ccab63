-- Takes n ended tasks off a tenant's account; one with nothing left is listed as idle since now.
local function tenant_settle(P, now_ms, tenant, n, failed, cancelled, retried)
  local t = key(P, 't', tenant)
  if failed ~= 0 then redis.call('HINCRBY', t, 'failed', failed) end
  if cancelled ~= 0 then redis.call('HINCRBY', t, 'cancelled', cancelled) end
  if retried and retried ~= 0 then redis.call('HINCRBY', t, 'retried', retried) end
  if n ~= 0 and redis.call('HINCRBY', t, 'remaining', 0 - n) == 0 then
    redis.call('ZADD', key(P, 'idle'), now_ms, tenant)
  end
end
