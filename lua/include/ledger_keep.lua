-- Remembers the answer of a producer's call until the producer has acknowledged it, an hour at most. A call
-- that finds nothing by its id need not be: it will find nothing later either.
local function ledger_keep(P, call, reply)
  local p = key(P, 'p', call[1])
  redis.call('HSET', p, call[2], cjson.encode(reply), 'low', call[3])
  if #call > 3 then redis.call('HDEL', p, unpack(call, 4)) end
  redis.call('PEXPIRE', p, 3600000)
  return reply
end
