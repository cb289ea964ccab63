-- Drops staged segments that nobody has added to for some time: their producer is gone.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 age int (ms)
--   3 limit int (at most 10)
-- Returns: {"ok", how many, broken}; broken: those whose keys can't be used
-- Includes: guard, now, apart, seg_drop
-- Cost: O(n × queues) for n segments
local slot = KEYS[1]
local P, age, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
guard(slot)
local now_ms = now()
local broken, segs = {}, redis.call('ZRANGEBYSCORE', key(P, 'staging'), '-inf', now_ms - age, 'LIMIT', 0, limit)
for _, seg in ipairs(segs) do
  apart(broken, 'staged segment', seg, seg_drop, P, seg, now_ms)
  redis.call('ZREM', key(P, 'staging'), seg)
end
return {'ok', #segs, broken}
