-- Keeps a failed task as a dead letter of its batch.
local function bury(P, now_ms, q, tenant, batch, body, open)
  local id = string.sub(body, 1, 10)
  redis.call('ZADD', key(P, 'b', batch, 'x', q), now_ms, id)
  redis.call('HSET', key(P, 'b', batch, 'w'), id, q .. '\n' .. body)
  waits_in(P, q, tenant, 'dead', 1)
  dead_index(P, q, batch, open)
end
