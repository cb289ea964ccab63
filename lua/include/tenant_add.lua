-- Counts n new tasks of a tenant and sees that the tenant is listed.
local function tenant_add(P, now_ms, tenant, n)
  local t = key(P, 't', tenant)
  redis.call('HINCRBY', t, 'total', n)
  local remaining = redis.call('HINCRBY', t, 'remaining', n)
  if remaining == n then redis.call('ZADD', key(P, 'tenants'), 0, tenant) end
  if remaining == 0 then redis.call('ZADD', key(P, 'idle'), now_ms, tenant) end
end
