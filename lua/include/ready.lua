-- Counts n tasks of a segment as ready and puts segment, tenant and queue in line for claims.
-- first: the segment's list was empty before. line: the queue's mode and virtual time, if they are known.
local function ready(P, q, tenant, seg, n, first, at_head, line)
  local pushed = redis.call('HINCRBY', key(P, 'tq', q, tenant), 'pushed', n)
  if pushed == n then enrol(P, q, tenant) end
  redis.call('HINCRBY', key(P, 'q', q), 'pushed', n)
  line = line or redis.call('HMGET', key(P, 'q', q), 'mode', 'virtual')
  if line[1] == 'fifo' then
    ticket(P, q, seg, n, at_head)
  else
    if not first and limit_holds(P, seg, q) then return end
    if first then redis.call('RPUSH', key(P, 'lane', q, tenant), seg) end
    ring_enter(P, q, tenant, whole(line[2]))
  end
  wake(P, q)
end
