-- Reads entries of the journal, the newest first.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 skip int
--   3 take int (at most 500)
-- Returns: entries as JSON
-- Includes: guard
-- Cost: O(skip + take)
local slot = KEYS[1]
local P, skip, take = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
guard(slot)
local found, out = redis.call('LRANGE', key(P, 'journal'), -skip - take, -skip - 1), {}
for i = #found, 1, -1 do out[#out + 1] = found[i] end
return out
