-- Tells where a tenant's account in a queue doesn't fit what is ready and what runs, and corrects it; what is not known is
-- left alone. Tells where the tenant or the queue isn't listed either.
local function audit_account(P, a, ready, running, mend, out)
  local tq, mark = key(P, 'tq', a.queue, a.tenant), mend and 1 or 0
  if ready and a.pushed - a.claimed ~= ready then
    out[#out + 1] = {'ready', a.queue, a.tenant, a.pushed - a.claimed, ready, mark}
    if mend then redis.call('HSET', tq, 'pushed', string.format('%.0f', a.claimed + ready)) end
  end
  if running and a.claimed - a.settled ~= running then
    out[#out + 1] = {'running', a.queue, a.tenant, a.claimed - a.settled, running, mark}
    if mend then redis.call('HSET', tq, 'settled', string.format('%.0f', a.claimed - running)) end
  end
  if redis.call('EXISTS', tq) == 0 then return end
  if redis.call('SISMEMBER', key(P, 'tqs', a.tenant), a.queue) == 0 then
    out[#out + 1] = {'unenrolled', a.queue, a.tenant, 0, 0, mark}
    if mend then enrol(P, a.queue, a.tenant) end
  elseif redis.call('SISMEMBER', key(P, 'queues'), a.queue) == 0 then
    out[#out + 1] = {'unnoted', a.queue, a.tenant, 0, 0, mark}
    if mend then redis.call('SADD', key(P, 'queues'), a.queue) end
  end
end
