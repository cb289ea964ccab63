-- The answer that a producer's call got the first time, or nil when it is new. Calls below the lowest number that
-- the producer may still send are refused: their answers are no longer remembered.
-- call: {producer, number, lowest unacknowledged number}; gains ``low``, that number as it is known here.
local function ledger_find(P, call)
  local old = redis.call('HMGET', key(P, 'p', call[1]), 'low', call[2])
  if old[2] then return cjson.decode(old[2]) end
  call.low = tonumber(old[1] or call[3])
  if call[2] < call.low then return {'stale'} end
  return nil
end
