-- Takes a list that a limit holds up out of its queue's line: it waits with the limit, the least served tenant first; in a
-- strict queue in the order in which lists were reached, with how many of its tasks' tickets were (rest). What was put back
-- in line and is held up again goes before the others.
local function limit_park(P, q, seg, l, room, tenant, rest)
  local park, score = key(P, 'park', l, q), nil
  if rest then
    local record, field = key(P, 'b', string.sub(seg, 1, 22)), 'tickets:' .. seg .. ':' .. q
    local again = redis.call('HEXISTS', record, field) == 1
    redis.call('HINCRBY', record, field, rest)
    local edge = redis.call('ZRANGE', park, again and 0 or -1, again and 0 or -1, 'WITHSCORES')[2]
    if not redis.call('ZSCORE', park, seg) then score = (edge or 0) + (again and -1 or 1) end
  else
    score = limit_turn(P, q, tenant)
  end
  if score then redis.call('ZADD', park, string.format('%.0f', score), seg) end
  if string.sub(seg, -1) == '.' then
    redis.call('HSET', key(P, 'b', string.sub(seg, 1, 22)), 'held:' .. seg .. ':' .. q, l)
  end
  redis.call('SADD', key(P, 'park', l), q)
  redis.call('SADD', key(P, 'held', q), l)
  redis.call('SADD', key(P, 'waits', string.match(l, '^[^.]*')), l)
  limit_due(P, l, room)
end
