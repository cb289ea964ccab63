-- Lets tenants go on by their rules as they are now, a part of them at a time: first those that stand out of line, then all
-- that have another weight than their accounts go by.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 what str (out: those out of line; all: all)
--   3 cursor str (0 at first)
-- Returns: {cursor (0 at the end), broken}; broken: those whose keys can't be used
-- Includes: guard, now, apart, tenant_reweigh, tenants
-- Cost: O(n × queues) for 50 tenants, of those out of line 400 queues at most
local slot = KEYS[1]
local P, what, cursor = ARGV[1], ARGV[2], ARGV[3]
guard(slot)
local _, us = now()
local page, broken = {'0', {}}, {}
if what == 'out' then
  page = redis.call('SSCAN', key(P, 'out'), cursor, 'COUNT', 50)
  tenants(P, 'back', us, page[2], broken)
else
  page = redis.call('ZSCAN', key(P, 'tenants'), cursor, 'COUNT', 50)
  for i = 1, #page[2], 2 do apart(broken, 'tenant', page[2][i], tenant_reweigh, P, page[2][i]) end
end
return {page[1], broken}
