-- Takes a dead letter out of its batch; its body, or nil when there is none by that id.
local function dead_take(P, b, q, id)
  if redis.call('ZREM', key(P, 'b', b.id, 'x', q), id) == 0 then return nil end
  local stored = redis.call('HGET', key(P, 'b', b.id, 'w'), id)
  redis.call('HDEL', key(P, 'b', b.id, 'w'), id)
  waits_in(P, q, b.tenant, 'dead', -1)
  dead_index(P, q, b.id, b.state == 'open')
  return body_named(string.sub(stored or '', #q + 2), id)
end
