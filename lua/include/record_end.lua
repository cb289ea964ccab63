-- Notes in a kept task's record how it ended, "state attempt claimed_ms ended_ms\nresult", and tells who waits for it. A
-- tenant's open batch never settles: there records end by age, so they are listed for pruning.
local function record_end(P, now_ms, b, id, state, attempt, claimed, result)
  local records = key(P, 'b', b.id, 'rec')
  local ended = string.format('%s %.0f %.0f %.0f\n', state, attempt, claimed or 0, now_ms)
  redis.call('HSET', records, id .. 'o', ended .. (result or ''))
  if b.state == 'open' then
    redis.call('ZADD', key(P, 'b', b.id, 'kept'), now_ms, id)
    redis.call('ZADD', key(P, 'settled'), 'NX', now_ms, b.id .. ':+')
  end
  if redis.call('HDEL', records, id .. 'w') == 1 then redis.call('PUBLISH', P .. 'settled', b.id .. id) end
end
