-- Sets when a batch's oldest dead letter of a queue died. In a tenant's open batch, which never
-- settles, dead letters end by age: it is listed for pruning by the same time.
local function dead_index(P, q, batch, open)
  local index = key(P, 'dead', q)
  local head = redis.call('ZRANGE', key(P, 'b', batch, 'x', q), 0, 0, 'WITHSCORES')
  if #head == 0 then
    redis.call('ZREM', index, batch)
    if open then redis.call('ZREM', key(P, 'settled'), batch .. ':' .. q) end
    return
  end
  redis.call('ZADD', index, head[2], batch)
  if open then redis.call('ZADD', key(P, 'settled'), head[2], batch .. ':' .. q) end
end
