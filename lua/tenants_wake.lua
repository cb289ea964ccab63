-- Lets tenants go on by their rules as they are now, a part of them at a time: first those that stand out of line, then all
-- that have another weight than their accounts go by.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 what str (out: those out of line; all: all)
--   3 cursor bytes (0 at first; of all, the name of the last one behind a bracket: ZSCAN tells a small set as a whole)
-- Returns: {cursor (0 at the end), broken}; broken: those whose keys can't be used
-- Includes: guard, now, apart, tenant_reweigh, tenants
-- Cost: O(n × queues) for 50 tenants, 400 queues at most
local slot = KEYS[1]
local P, what, cursor = ARGV[1], ARGV[2], ARGV[3]
guard(slot)
local _, us = now()
local broken = {}
if what == 'out' then
  local page = redis.call('SSCAN', key(P, 'out'), cursor, 'COUNT', 50)
  tenants(P, 'back', us, page[2], broken)
  return {page[1], broken}
end
local names = redis.call('ZRANGE', key(P, 'tenants'), cursor == '0' and '-' or cursor, '+', 'BYLEX', 'LIMIT', 0, 50)
local queues = 0
for i, tenant in ipairs(names) do
  queues = queues + 1 + (apart(broken, 'tenant', tenant, tenant_reweigh, P, tenant) or 0)
  if queues >= 300 or i == 50 then return {'(' .. tenant, broken} end
end
return {'0', broken}
