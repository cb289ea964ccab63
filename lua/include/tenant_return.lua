-- Puts a tenant that stood out of the lines of queues back, where it has room again; 100 queues at most, and where it returned to
-- any, others by the next upkeep. In a strict queue the first of the tickets that were set aside goes to the head of the line,
-- unless the one before is there still: probe. Tickets of tasks that were cancelled meanwhile stay, as they count the empty
-- entries that these left in their lists. Returns how many queues were looked at.
-- Seldom called.
local function tenant_return(P, us, tenant)
  local outside, known = key(P, 'out', tenant), {}
  local queues, back = redis.call('SRANDMEMBER', outside, 100), false
  for _, q in ipairs(queues) do
    local n = redis.call('HMGET', key(P, 'tq', q, tenant), 'pushed', 'claimed', 'settled', 'probe')
    local room = tenant_room(P, us, q, tenant, whole(n[2]) - whole(n[3]), known)
    local aside, line = key(P, 'aside', q, tenant), redis.call('HMGET', key(P, 'q', q), 'mode', 'virtual')
    local waits = whole(n[1]) > whole(n[2])
    local stands = waits or redis.call('EXISTS', aside) == 1
    if not stands or room.free > 0 then
      redis.call('SREM', outside, q)
      back = back or #queues == 100 and line[1] ~= 'fifo' -- else one that has no turn yet would be looked at again at once
      if line[1] == 'fifo' then
        tenant_probe(P, us, q, tenant, n[4])
        if redis.call('EXISTS', aside) == 1 then redis.call('SADD', outside, q) end
      elseif waits then
        ring_enter(P, q, tenant, whole(line[2]))
        wake(P, q)
      end
    elseif room.at then
      tenant_hold(P, q, tenant, room)
    end
  end
  if redis.call('EXISTS', outside) == 0 then
    redis.call('SREM', key(P, 'out'), tenant)
    redis.call('ZREM', key(P, 'delayed'), '@' .. tenant)
  elseif back then
    redis.call('ZADD', key(P, 'delayed'), 'LT', math.floor(us / 1000), '@' .. tenant)
  end
  return #queues
end
