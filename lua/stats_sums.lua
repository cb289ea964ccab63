-- Reads sums of minutes or hours in a row.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 span str (m or h)
--   3 start int (s)
--   4 length int (s from one to the next)
--   5 count int (count × fields at most 5,000)
--   6 fields bytes... (queue, NUL and tenant)
-- Returns: for each that has any of them {start, its sums, an empty string for one that isn't there}
-- Includes: guard
-- Cost: O(count × fields)
local slot = KEYS[1]
local P, span, start, length, count = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
guard(slot)
local out, fields = {}, {unpack(ARGV, 6)}
for at = start, start + (count - 1) * length, length do
  local name, any = string.format('%.0f', at), false
  local found = redis.call('HMGET', key(P, 'sum', span, name), unpack(fields))
  for i, sum in ipairs(found) do
    any = any or sum
    found[i] = sum or ''
  end
  if any then out[#out + 1] = {name, unpack(found)} end
end
return out
