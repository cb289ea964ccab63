-- Reads what is said of tenants: of all, of a tenant, and of tiers.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 tenant str (empty: none)
-- Returns: {of all, of the tenant, {tier, what is said of it...}}, as JSON; empty strings for nothing
-- Includes: guard
-- Cost: O(tiers), 1,000 at most
local slot = KEYS[1]
local P, tenant = ARGV[1], ARGV[2]
guard(slot)
local said = redis.call('HMGET', key(P, 'rules'), 'all', 't:' .. tenant)
local tiers, names = {}, redis.call('HKEYS', key(P, 'tiers'))
for i, words in ipairs(#names > 0 and redis.call('HMGET', key(P, 'tiers'), unpack(names)) or {}) do
  tiers[2 * i - 1], tiers[2 * i] = names[i], words
end
return {said[1] or '', tenant ~= '' and said[2] or '', tiers}
