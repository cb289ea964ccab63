-- Tells where tenants' accounts in a queue don't fit how many tasks of theirs are delayed, or dead letters (the field), and
-- mends them. there: how many there are of each.
local function audit_waits(P, q, field, tenants, there, mend, out)
  for _, tenant in ipairs(tenants) do
    local tq, n = key(P, 'tq', q, tenant), there[tenant] or 0
    local counted = tonumber(redis.call('HGET', tq, field) or 0) or -1
    if counted ~= n then
      out[#out + 1] = {field, q, tenant, counted, n, mend and 1 or 0}
      if mend then redis.call('HSET', tq, field, n) end
    end
  end
end
