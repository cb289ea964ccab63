-- Remembers the answer of a producer's call until the producer has acknowledged it, an hour at most, and forgets
-- acknowledged ones, 250 at most. The lowest number only rises, whatever order calls arrive in. Begins with HDEL,
-- so that a full Redis lets it through where nothing else was written.
local function ledger_keep(P, call, reply)
  local p, low, gone = key(P, 'p', call[1]), math.max(call.low, math.min(call[3], call.low + 250)), {''}
  for number = call.low, low - 1 do gone[#gone + 1] = number end
  redis.call('HDEL', p, unpack(gone))
  redis.call('HSET', p, call[2], cjson.encode(reply), 'low', low)
  redis.call('PEXPIRE', p, 3600000)
  return reply
end
