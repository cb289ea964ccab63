-- Reads what a tenant has in its queues, and since when the longest-waiting ready task waits, as far as the heads of its first
-- 20 batches in line tell, or the first 100 in line of a strict queue.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 tenant str
--   3 skip int (queues that were read)
-- Returns: {now_ms, how many queues it uses, {name, ready, running, delayed, dead, oldest ms or "", handler µs} each},
--   20 queues at most
-- Includes: guard, now, whole, limit_lists, segs_oldest
-- Cost: O(queues)
local slot = KEYS[1]
local P, tenant, skip = ARGV[1], ARGV[2], tonumber(ARGV[3])
guard(slot)
local names = redis.call('SMEMBERS', key(P, 'tqs', tenant))
table.sort(names)
local out = {string.format('%.0f', (now())), #names}
for i = skip + 1, math.min(#names, skip + 20) do
  local q, segs = names[i], limit_lists(P, names[i], 20)
  local n = redis.call('HMGET', key(P, 'tq', q, tenant), 'pushed', 'claimed', 'settled', 'delayed', 'dead', 'us')
  for _, ticket in ipairs(redis.call('LRANGE', key(P, 'fifo', q), 0, 99)) do
    segs[#segs + 1] = string.match(ticket, '^(.*):%d+$')
  end
  for _, seg in ipairs(redis.call('LRANGE', key(P, 'lane', q, tenant), 0, 19)) do segs[#segs + 1] = seg end
  out[#out + 1] = {q, whole(n[1]) - whole(n[2]), whole(n[2]) - whole(n[3]), whole(n[4]), whole(n[5]),
    segs_oldest(P, q, segs, tenant), string.format('%.0f', whole(n[6]))}
end
return out
