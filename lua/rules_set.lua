-- Sets what holds for a tenant, for those of a tier, or for all for which nothing else is said.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it)
--   3 kind str (tenant, tier or all)
--   4 name str (of the tenant or the tier)
--   5 words json (as include/rules_of.lua has them, and what is said of queues by queue; false takes a word back, and instead of
--     all of them a tier)
--   6 entry str (for the journal, as include/journal.lua has it)
-- Returns: {"ok", 1 if anything was said before}; {"unknown"} where a tier that a tenant is to have
--   isn't there; {"tiers", how many} where there are too many; {"stale"}
-- Includes: guard, ledger_find, ledger_keep, rules_change, rules_said, journal
-- Cost: O(queues that are named)
local slot = KEYS[1]
local P, call, kind, name, words = ARGV[1], cjson.decode(ARGV[2]), ARGV[3], ARGV[4], cjson.decode(ARGV[5])
local entry = ARGV[6]
guard(slot)
local known = ledger_find(P, call)
if known then return known end
local rules, field = key(P, kind == 'tier' and 'tiers' or 'rules'), name
if kind == 'tenant' then field = 't:' .. name elseif kind == 'all' then field = 'all' end
if not words and redis.call('HEXISTS', rules, field) == 0 then return ledger_keep(P, call, {'ok', '0'}) end
if kind == 'tenant' and words and words.tier and redis.call('HEXISTS', key(P, 'tiers'), words.tier) == 0 then return {'unknown'} end
if kind == 'tier' and redis.call('HEXISTS', rules, name) == 0 and redis.call('HLEN', rules) >= 1000 then
  return {'tiers', redis.call('HLEN', rules)}
end
local said = words and rules_change(rules_said(redis.call('HGET', rules, field)), words) or {}
local before = redis.call('HDEL', rules, field) -- the first write, which a full Redis lets through
redis.call('HSET', key(P, 'm'), 'rules', 1) -- stays: accounts may go by weights from now on
if next(said) or words and kind == 'tier' then redis.call('HSET', rules, field, next(said) and cjson.encode(said) or '{}') end
journal(P, entry)
return ledger_keep(P, call, {'ok', tostring(before)})
