-- Sets when the first record of a tenant's open batch is to be pruned.
local function records_index(P, batch)
  local head = redis.call('ZRANGE', key(P, 'b', batch, 'kept'), 0, 0, 'WITHSCORES')
  if #head == 0 then redis.call('ZREM', key(P, 'settled'), batch .. ':+')
  else redis.call('ZADD', key(P, 'settled'), head[2], batch .. ':+') end
end
