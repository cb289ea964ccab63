-- Adds n tasks of a batch to those of its tenant in a table; none of a batch that names no tenant.
local function of_tenant(P, tenants, batch, n)
  local tenant = redis.call('HGET', key(P, 'b', batch), 'tenant')
  if tenant then tenants[tenant] = (tenants[tenant] or 0) + n end
end
