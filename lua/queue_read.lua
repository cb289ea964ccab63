-- Reads the counts of queues, and since when the longest-waiting ready task waits, as far as the heads
-- of the first 20 tenants in line tell.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 queues bytes...  (at most 20)
-- Returns: {now_ms, {name, ready, running, delayed, dead, oldest ms, mode, limit or ""} each}
-- Includes: guard, now, queue_oldest
-- Cost: O(queues × tenants)
local slot = KEYS[1]
local P = ARGV[1]
guard(slot)
local out = {string.format('%.0f', (now()))}
for i = 2, #ARGV do
  local q = ARGV[i]
  local n = redis.call('HMGET', key(P, 'q', q), 'pushed', 'claimed', 'settled', 'delayed', 'dead', 'mode', 'limit')
  out[#out + 1] = {q, (n[1] or 0) - (n[2] or 0), (n[2] or 0) - (n[3] or 0), tonumber(n[4] or 0), tonumber(n[5] or 0),
    queue_oldest(P, q), n[6] or 'fair', n[7] or ''}
end
return out
