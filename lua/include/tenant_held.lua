-- What holds a tenant's tasks up in a queue: paused, rules that leave it no room, or an empty string for nothing.
local function tenant_held(P, q, tenant)
  if redis.call('HEXISTS', key(P, 'm'), 'rules') == 0 then return '' end
  local state = tenants(P, 'state', tenant)
  if state and state ~= 'draining' then return 'paused' end
  return redis.call('SISMEMBER', key(P, 'out', tenant), q) == 1 and 'rules' or ''
end
