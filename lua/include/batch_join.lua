-- Adds tasks that lie under a segment's keys to a batch's totals and makes them visible; a settled
-- batch runs again. In a tenant's open batch nothing ends, so it names no queues.
local function batch_join(P, now_ms, b, seg, sizes, queues)
  local total = reveal(P, b.tenant, b.id, seg, sizes)
  local record = key(P, 'b', b.id)
  redis.call('HINCRBY', record, 'total', total)
  redis.call('HINCRBY', record, 'remaining', total)
  if b.state ~= 'open' then
    if b.state ~= 'running' and total > 0 then
      redis.call('HSET', record, 'state', 'running')
      batch_again(P, b.id)
      redis.call('ZREM', key(P, 'settled'), b.id)
    end
    redis.call('HSET', record, 'queues', queues)
  end
  if total > 0 then tenant_add(P, now_ms, b.tenant, total) end
  changed(P, b, 2)
  return total
end
