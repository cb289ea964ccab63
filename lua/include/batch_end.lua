-- Ends a batch in a state: keeps it for the retention, fires its continuations, tells whoever waits for it.
local function batch_end(P, now_ms, us, b, state)
  b.state = state
  redis.call('HSET', key(P, 'b', b.id), 'state', state, 'ended', string.format('%.0f', us))
  redis.call('ZADD', key(P, 'settled'), now_ms, b.id)
  fire(P, now_ms, us, b, state)
  if b.watched then redis.call('PUBLISH', P .. 'settled', b.id) end
end
