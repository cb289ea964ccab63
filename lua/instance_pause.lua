-- Stops all claims of the instance, or lets them go on; every worker is told.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 pause int (1 or 0)
-- Returns: {"ok", whether it was paused before}
-- Includes: guard, wake
-- Cost: O(queues)
local slot = KEYS[1]
local P, pause = ARGV[1], ARGV[2] == '1'
guard(slot)
local before = redis.call('HDEL', key(P, 'm'), 'paused')
if pause then
  redis.call('HSET', key(P, 'm'), 'paused', 1)
else
  for _, q in ipairs(redis.call('SMEMBERS', key(P, 'queues'))) do wake(P, q) end
end
redis.call('PUBLISH', P .. 'control', pause and 'pause' or 'resume')
return {'ok', before}
