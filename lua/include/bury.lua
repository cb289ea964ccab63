-- Keeps a failed task as a dead letter of its batch.
local function bury(P, now_ms, q, batch, body, open)
  local id = string.sub(body, 1, 10)
  redis.call('ZADD', key(P, 'b', batch, 'x', q), now_ms, id)
  redis.call('HSET', key(P, 'b', batch, 'w'), id, q .. '\n' .. body)
  redis.call('HINCRBY', key(P, 'q', q), 'dead', 1)
  dead_index(P, q, batch, open)
end
