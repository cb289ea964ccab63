-- Reads sums of the minutes or hours of a span of time, of those that there are.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 span str (m or h)
--   3 start int (s)
--   4 end int (s: before this)
--   5 take int (minutes or hours; take × fields at most 5,000)
--   6 fields bytes... (queue, NUL and tenant)
-- Returns: for each minute or hour {start, its sums, an empty string for one that isn't there}
-- Includes: guard
-- Cost: O(log periods + take × fields)
local slot = KEYS[1]
local P, span, start, stop, take = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
guard(slot)
local out, fields = {}, {unpack(ARGV, 6)}
for _, at in ipairs(redis.call('ZRANGEBYSCORE', key(P, 'periods', span), start, '(' .. stop, 'LIMIT', 0, take)) do
  local found = redis.call('HMGET', key(P, 'sum', span, at), unpack(fields))
  for i, sum in ipairs(found) do found[i] = sum or '' end
  out[#out + 1] = {at, unpack(found)}
end
return out
