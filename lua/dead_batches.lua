-- Lists batches with dead letters of a queue, the one whose oldest died first at the head.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 queue str
--   3 skip int
--   4 take int (at most 100)
-- Returns: {batch, tenant, first death ms, how many} each
-- Includes: guard
-- Cost: O(take)
local slot = KEYS[1]
local P, q, skip, take = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
guard(slot)
local found, out = redis.call('ZRANGE', key(P, 'dead', q), skip, skip + take - 1, 'WITHSCORES'), {}
for i = 1, #found, 2 do
  local batch = found[i]
  out[#out + 1] = {batch, redis.call('HGET', key(P, 'b', batch), 'tenant') or '', found[i + 1],
    redis.call('ZCARD', key(P, 'b', batch, 'x', q))}
end
return out
