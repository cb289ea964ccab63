-- Takes no new tasks of a tenant from now on, as it is being purged; what else is said of it stays.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it)
--   3 tenant str
--   4 entry str (for the journal, as include/journal.lua has it)
-- Returns: {"ok"}; {"stale"}
-- Includes: guard, ledger_find, ledger_keep, journal
-- Cost: O(1)
local slot = KEYS[1]
local P, call, tenant, entry = ARGV[1], cjson.decode(ARGV[2]), ARGV[3], ARGV[4]
guard(slot)
local known = ledger_find(P, call)
if known then return known end
local rules, field = key(P, 'rules'), 't:' .. tenant
local ok, said = pcall(cjson.decode, redis.call('HGET', rules, field) or '{}')
if not ok or type(said) ~= 'table' then said = {} end
said.s = 'draining'
redis.call('HDEL', rules, field) -- the first write, which a full Redis lets through
redis.call('HSET', rules, field, cjson.encode(said))
redis.call('HSET', key(P, 'm'), 'rules', 1)
journal(P, entry)
return ledger_keep(P, call, {'ok'})
