-- Tells where a tenant's totals, {total, remaining, failed, cancelled, batches}, don't fit what its batches have left, and
-- where the tenant isn't listed, and mends it.
local function audit_totals(P, now_ms, tenant, t, sum, batches, mend, out)
  local record, mark, remaining = key(P, 't', tenant), mend and 1 or 0, tonumber(t[2] or 0)
  if remaining ~= sum then
    out[#out + 1] = {'tenant_remaining', tenant, '', remaining, sum, mark}
    if mend then redis.call('HSET', record, 'remaining', sum) end
  end
  if tonumber(t[5] or 0) < batches then
    out[#out + 1] = {'tenant_batches', tenant, '', tonumber(t[5] or 0), batches, mark}
    if mend then redis.call('HSET', record, 'batches', batches) end
  end
  local ended = sum + (t[3] or 0) + (t[4] or 0)
  if remaining == sum and ended > tonumber(t[1] or 0) then
    out[#out + 1] = {'tenant_sum', tenant, '', tonumber(t[1] or 0), ended, 2}
  end
  if not redis.call('ZSCORE', key(P, 'tenants'), tenant) then
    out[#out + 1] = {'tenant_unlisted', tenant, '', 0, 0, mark}
    if mend then redis.call('ZADD', key(P, 'tenants'), 0, tenant) end
  end
  if sum == 0 and not redis.call('ZSCORE', key(P, 'idle'), tenant) then
    out[#out + 1] = {'unidle', tenant, '', 0, 0, mark}
    if mend then redis.call('ZADD', key(P, 'idle'), now_ms, tenant) end
  end
end
