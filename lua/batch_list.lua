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
local total, top = redis.call('ZCARD', list), '+inf'
if before ~= '' then
  local created = redis.call('ZSCORE', list, before)
  if not created then return {total} end
  top = '(' .. created
end
return {total, unpack(redis.call('ZREVRANGEBYSCORE', list, top, '-inf', 'LIMIT', skip, take))}
