-- Holds a tenant's totals against its batches, a part of them at a time; what remains of them is compared at the last, if
-- nothing of the tenant's account has moved meanwhile.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it: mend what is wrong; an empty list: only look)
--   3 tenant str
--   4 skip int (batches that were looked at)
--   5 sum int (what remains of the batches before)
--   6 version str (as the first part told it; empty at first)
-- Returns: {"more", skip, sum, version}; {"moved"} when it has to be begun anew; {"ok"}, then {kind, tenant, "", counted,
--   there, 0 | 1 mended | 2 can't be mended} for each difference
-- Includes: guard, now, ledger_find, ledger_keep, tenant_sum, audit_totals
-- Cost: O(n) for 3,000 batches
local slot = KEYS[1]
local P, call, tenant, skip = ARGV[1], cjson.decode(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local sum, version = tonumber(ARGV[5]), ARGV[6]
guard(slot)
local mend = #call > 0
local known = mend and ledger_find(P, call)
if known then return known end
local now_ms = now()
local t = redis.call('HMGET', key(P, 't', tenant), 'total', 'remaining', 'failed', 'cancelled', 'batches')
local seen = {}
for i = 1, 5 do seen[i] = t[i] or '' end
seen = table.concat(seen, ':')
if version ~= '' and version ~= seen then return {'moved'} end
sum = sum + tenant_sum(P, tenant, skip, 3000)
local batches = redis.call('ZCARD', key(P, 'tb', tenant))
if skip + 3000 < batches then return {'more', skip + 3000, sum, seen} end
local out = {'ok'}
audit_totals(P, now_ms, tenant, t, sum, batches, mend, out)
return mend and ledger_keep(P, call, out) or out
