-- Whether a tenant still has a batch kept, a task running, or a dead letter or a record in its open batch.
local function tenant_busy(P, tenant, home)
  if redis.call('EXISTS', key(P, 'tb', tenant), key(P, 'b', home or '', 'kept')) > 0 then return true end
  for _, q in ipairs(redis.call('SMEMBERS', key(P, 'tqs', tenant))) do
    local run = redis.call('HMGET', key(P, 'tq', q, tenant), 'claimed', 'settled')
    if (run[1] or 0) - (run[2] or 0) > 0 then return true end
    if home and redis.call('EXISTS', key(P, 'b', home, 'x', q)) == 1 then return true end
  end
  return false
end
