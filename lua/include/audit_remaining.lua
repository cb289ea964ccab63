-- Sets what remains of a batch to what is there. Where the tenant's account agrees with what is there the counter alone was
-- wrong ("counter"). Else tasks are gone that nobody can account for, and count as failed ("lost"), or there are some that
-- were never counted ("more"). Returns which.
local function audit_remaining(P, now_ms, b, there)
  local record, diff = key(P, 'b', b.id), there - b.remaining
  local off = tonumber(redis.call('HGET', key(P, 't', b.tenant), 'remaining') or 0) - tenant_sum(P, b.tenant, 0, 10000)
  redis.call('HINCRBY', record, 'remaining', diff)
  if diff * off > 0 and math.abs(off) >= math.abs(diff) then return 'counter' end
  if diff < 0 then
    redis.call('HINCRBY', record, 'failed', 0 - diff)
    b.failed = b.failed - diff
    tenant_settle(P, now_ms, b.tenant, 0 - diff, 0 - diff, 0)
    return 'lost'
  end
  redis.call('HINCRBY', record, 'total', diff)
  tenant_add(P, now_ms, b.tenant, diff)
  return 'more'
end
