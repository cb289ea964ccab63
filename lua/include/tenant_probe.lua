-- Puts the first ticket that was set aside of a tenant back at the head of a strict queue's line; not where the one before it
-- stands there still, so that they keep their order. there: the segment of that one, whose batch may be gone by now, so that
-- nobody took note when it was reached. It stands among the first thousand.
-- Seldom called.
local function tenant_probe(P, q, tenant, there)
  local line, tq = key(P, 'fifo', q), key(P, 'tq', q, tenant)
  for at = 0, there and 950 or -1, 50 do
    local tickets = redis.call('LRANGE', line, at, at + 49)
    for _, ticket in ipairs(tickets) do
      if string.match(ticket, '^(.*):%d+$') == there then return end
    end
    if #tickets < 50 then break end
  end
  redis.call('HDEL', tq, 'probe')
  local ticket = redis.call('LMOVE', key(P, 'aside', q, tenant), line, 'LEFT', 'LEFT')
  if not ticket then return end
  redis.call('HSET', tq, 'probe', string.match(ticket, '^(.*):%d+$') or '')
  wake(P, q)
end
