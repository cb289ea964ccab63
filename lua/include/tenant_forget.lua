-- Deletes the totals of a tenant whose time has come; one that still has something is put off, one that has work is not idle.
local function tenant_forget(P, now_ms, tenant, retention)
  local idle, t = key(P, 'idle'), redis.call('HMGET', key(P, 't', tenant), 'remaining', 'hidden')
  if whole(t[1]) > 0 then
    redis.call('ZREM', idle, tenant)
  elseif tenant_busy(P, tenant, t[2]) then
    redis.call('ZADD', idle, now_ms - retention + math.max(1000, math.min(retention, 60000)), tenant)
  else
    tenant_drop(P, tenant, t[2])
    redis.call('ZREM', idle, tenant)
  end
  return true
end
