-- Lists live worker processes.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
-- Returns: {now_ms, {worker, seen until ms, info} each}
-- Includes: guard, now
-- Cost: O(workers)
local slot = KEYS[1]
local P = ARGV[1]
guard(slot)
local now_ms = now()
local found, out = redis.call('ZRANGEBYSCORE', key(P, 'workers'), now_ms, '+inf', 'WITHSCORES', 'LIMIT', 0, 1000), {}
out[1] = string.format('%.0f', now_ms)
for i = 1, #found, 2 do
  out[#out + 1] = {found[i], found[i + 1], redis.call('GET', key(P, 'worker', found[i])) or ''}
end
return out
