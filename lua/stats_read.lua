-- Reads records of what was done that are not summed up yet, and how far summing up is.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 skip int (records that were read)
--   3 take int (at most 1,000)
-- Returns: {now_ms, turn, part, taken, at ms, how many there are, dropped, records...}; fewer than asked where they are large
-- Includes: guard, now
-- Cost: O(n) for n records, 500 kB or so at most
local slot = KEYS[1]
local P, skip, take = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
guard(slot)
local sums, list = redis.call('HMGET', key(P, 'sums'), 'turn', 'part', 'taken', 'at', 'dropped'), key(P, 'stats')
local out = {string.format('%.0f', (now())), sums[1] or '', sums[2] or '0', sums[3] or '0', sums[4] or '0',
  redis.call('LLEN', list), sums[5] or '0'}
local budget = 500000
for at = skip, skip + take - 1, 20 do
  for _, record in ipairs(redis.call('LRANGE', list, at, math.min(at + 19, skip + take - 1))) do
    out[#out + 1] = record
    budget = budget - #record
  end
  if budget <= 0 then break end
end
return out
