-- The answer that a producer's call got the first time, or nil when it is new.
-- call: {producer, number, lowest unacknowledged number, acknowledged numbers...}
local function ledger_find(P, call)
  local old = redis.call('HMGET', key(P, 'p', call[1]), 'low', call[2])
  if old[2] then return cjson.decode(old[2]) end
  if old[1] and call[2] < tonumber(old[1]) then return {'stale'} end
  return nil
end
