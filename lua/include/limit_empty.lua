-- Forgets that a queue has lists that wait for a limit, where it has none left.
local function limit_empty(P, q, l)
  if redis.call('EXISTS', key(P, 'park', l, q)) == 1 then return end
  redis.call('SREM', key(P, 'park', l), q)
  redis.call('SREM', key(P, 'held', q), l)
  if redis.call('EXISTS', key(P, 'park', l)) == 1 then return end
  redis.call('SREM', key(P, 'waits', string.match(l, '^[^.]*')), l)
  redis.call('ZREM', key(P, 'delayed'), '!' .. l)
end
