-- Lists a tenant's batches, newest first.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 tenant str
--   3 skip int
--   4 take int (at most 250)
--   5 before str (a batch's id, or empty: only older ones)
-- Returns: {how many in all, ids...}
-- Includes: guard
-- Cost: O(log batches + take)
local slot = KEYS[1]
local P, tenant, skip, take, before = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
guard(slot)
local list = key(P, 'tb', tenant)
local total = redis.call('ZCARD', list)
if before ~= '' then
  local rank = redis.call('ZREVRANK', list, before)
  if not rank then return {total} end
  skip = skip + rank + 1
end
return {total, unpack(redis.call('ZREVRANGE', list, skip, skip + take - 1))}
