-- Drops dead letters of a tenant's open batch that died before a time, at most 50; how many.
local function open_prune(P, batch, q, before)
  local dead, bodies = key(P, 'b', batch, 'x', q), key(P, 'b', batch, 'w')
  local ids = redis.call('ZRANGEBYSCORE', dead, '-inf', before, 'LIMIT', 0, 50)
  if #ids > 0 then
    local stored = redis.call('HMGET', bodies, unpack(ids))
    redis.call('ZREM', dead, unpack(ids))
    redis.call('HDEL', bodies, unpack(ids))
    waits_in(P, q, redis.call('HGET', key(P, 'b', batch), 'tenant'), 'dead', 0 - #ids)
    for _, entry in ipairs(stored) do
      if entry then forget(P, batch, string.sub(entry, #q + 2)) end
    end
  end
  dead_index(P, q, batch, true)
  return #ids
end
