-- Whether a tenant's schedules rest: it is paused, or takes no new work.
-- Seldom called.
local function tenant_rests(P, tenant)
  return redis.call('HEXISTS', key(P, 'm'), 'rules') == 1 and rules_of(P, tenant).s ~= nil
end
