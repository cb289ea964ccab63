-- Forgets a list of ready tasks that is about to be dropped where it may wait for a limit; others that wait for it go on.
-- Where it has tasks of many keys it can wait for that of its first alone.
local function limit_drop(P, seg, q)
  local l = limit_of(seg)
  if not l then return end
  if string.sub(l, -1) == '.' then l = body_limit(redis.call('LINDEX', key(P, 'b', seg, 'r', q), 0) or '') end
  redis.call('HDEL', key(P, 'b', string.sub(seg, 1, 22)), 'tickets:' .. seg .. ':' .. q)
  if not l then return end
  local _, us = now()
  redis.call('ZREM', key(P, 'park', l, q), seg)
  limit_empty(P, q, l)
  limit_next(P, us, l)
end
