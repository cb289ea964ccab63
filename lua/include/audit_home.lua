-- Tells where the record of a tenant's open batch is gone, and makes an empty one, whose tasks a batch's audit counts.
local function audit_home(P, us, tenant, mend, out)
  local home = redis.call('HGET', key(P, 't', tenant), 'hidden')
  local record = key(P, 'b', home or '')
  if not home or redis.call('HEXISTS', record, 'state') == 1 then return end
  out[#out + 1] = {'homeless', tenant, home, 0, 0, mend and 1 or 0}
  if mend then
    redis.call('HSET', record, 'tenant', tenant, 'state', 'open', 'created', string.format('%.0f', us), 'total', 0,
      'remaining', 0)
  end
end
