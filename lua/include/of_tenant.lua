-- Adds n tasks of a batch to those of its tenant in a table, or of nobody (false) where it names none.
local function of_tenant(P, tenants, batch, n)
  local tenant = redis.call('HGET', key(P, 'b', batch), 'tenant')
  tenants[tenant] = (tenants[tenant] or 0) + n
end
