-- Takes dead letters out of a batch, by their local ids; what is kept beside them stays.
local function dead_rid(P, b, q, ids)
  redis.call('ZREM', key(P, 'b', b.id, 'x', q), unpack(ids))
  redis.call('HDEL', key(P, 'b', b.id, 'w'), unpack(ids))
  waits_in(P, q, b.tenant, 'dead', 0 - #ids)
  dead_index(P, q, b.id, b.state == 'open')
end
