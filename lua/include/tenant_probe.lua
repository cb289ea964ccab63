-- Puts the first ticket that was set aside of a tenant back at the head of a strict queue's line; not where the one before it
-- stands there still, among the first thousand, so that they keep their order. there: the segment of that one. Those of batches
-- that are gone are dropped, as nobody would know whose they were and let the next follow; 200 at most, others by the next
-- upkeep.
-- Seldom called.
local function tenant_probe(P, us, q, tenant, there)
  local line, aside, tq = key(P, 'fifo', q), key(P, 'aside', q, tenant), key(P, 'tq', q, tenant)
  for at = 0, there and 950 or -1, 50 do
    local tickets = redis.call('LRANGE', line, at, at + 49)
    for _, ticket in ipairs(tickets) do
      if string.match(ticket, '^(.*):%d+$') == there then return end
    end
    if #tickets < 50 then break end
  end
  redis.call('HDEL', tq, 'probe')
  local tickets = redis.call('LRANGE', aside, 0, 199)
  for i, ticket in ipairs(tickets) do
    local seg = string.match(ticket, '^(.*):%d+$')
    if seg and redis.call('EXISTS', key(P, 'b', string.sub(seg, 1, 22))) == 1 then
      redis.call('LPOP', aside, i)
      redis.call('LPUSH', line, ticket)
      redis.call('HSET', tq, 'probe', seg)
      wake(P, q)
      return
    end
  end
  if #tickets == 0 then return end
  redis.call('LPOP', aside, #tickets)
  redis.call('ZADD', key(P, 'delayed'), 'LT', math.floor(us / 1000), '@' .. tenant)
end
