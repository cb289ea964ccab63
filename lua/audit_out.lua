-- Holds tenants that stand out of the lines of queues against their rules: whether they have room, and whether anybody would
-- let them return.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it: mend what is wrong; an empty list: only look)
--   3 places json ({queue, tenant} each, at most 50)
-- Returns: {"ok"}, then {kind, tenant, queue, 0, 0, 0 | 1 mended} for each difference
-- Includes: guard, now, ledger_find, ledger_keep, audit_outside, tenants
-- Cost: O(n × queues) for n places
local slot = KEYS[1]
local P, call, places = ARGV[1], cjson.decode(ARGV[2]), cjson.decode(ARGV[3])
guard(slot)
local mend = #call > 0
local known = mend and ledger_find(P, call)
if known then return known end
local _, us = now()
local out = {'ok'}
for _, place in ipairs(places) do
  local q, tenant = place[1], place[2]
  local kind = audit_outside(P, us, q, tenant)
  if kind then
    out[#out + 1] = {kind, tenant, q, 0, 0, mend and 1 or 0}
    if mend then
      redis.call('SADD', key(P, 'out', tenant), q)
      redis.call('SADD', key(P, 'out'), tenant)
      tenants(P, 'return', us, tenant)
    end
  end
end
return mend and ledger_keep(P, call, out) or out
