-- Writes a part of what records were summed up to, if nobody else has written it; with the last part the records go.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 turn str (as stats_read.lua told it)
--   3 part int
--   4 taken int (how many records are summed up; the same for all parts)
--   5 last int (1: it is the last part)
--   6 span str (m or h)
--   7 start int (s)
--   8 sums bytes... (field and sum in turn, at most 500 of each)
-- Returns: {"ok"}; {"moved"} where another is further
-- Includes: guard, now
-- Cost: O(n)
local slot = KEYS[1]
local P, turn, part, taken, last = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5] == '1'
local span, start = ARGV[6], ARGV[7]
guard(slot)
local state, list, index = key(P, 'sums'), key(P, 'stats'), key(P, 'periods', span)
local known = redis.call('HMGET', state, 'turn', 'part', 'taken')
local before = tonumber(known[3] or 0)
if (known[1] or '') ~= turn or (known[2] or '0') ~= part or before > 0 and before ~= taken then return {'moved'} end
if redis.call('LLEN', list) < taken then return {'moved'} end
local now_ms, us = now()
redis.call('ZREM', index, '') -- the first write, which a full Redis lets through
if #ARGV > 7 then
  local added = redis.call('HSET', key(P, 'sum', span, start), unpack(ARGV, 8))
  redis.call('ZADD', index, start, start)
  redis.call('HINCRBY', state, 'entries', added)
  for i = 8, #ARGV, 2 do
    local stop = string.find(ARGV[i], '\0', 1, true)
    if stop == #ARGV[i] then redis.call('ZADD', key(P, 'summed'), start, string.sub(ARGV[i], 1, -2)) end
  end
end
if last then
  redis.call('LTRIM', list, taken, -1)
  redis.call('HSET', state, 'turn', string.format('%.0f', us), 'part', 0, 'taken', 0, 'at', string.format('%.0f', now_ms))
else
  redis.call('HSET', state, 'part', part + 1, 'taken', taken)
end
return {'ok'}
