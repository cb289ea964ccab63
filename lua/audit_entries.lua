-- Holds tasks that are noted as running against all leases; one that nobody has leased, so that nobody would ever take it
-- back, gets a lease that has run out, for the next rescue.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it: mend what is wrong; an empty list: only look)
--   3 tasks bytes...  (at most 100)
-- Returns: {"ok"}, then {"unleased", task, queue, 0, 0, 0 | 1 mended} for each difference; {"unsure", what, name} where
--   there are too many leases to look through
-- Includes: guard, now, ledger_find, ledger_keep, run_split
-- Cost: O(n + leases), 20,000 leases at most
local slot = KEYS[1]
local P, call = ARGV[1], cjson.decode(ARGV[2])
guard(slot)
local mend = #call > 0
local known = mend and ledger_find(P, call)
if known then return known end
local leases, now_ms, out, leased = key(P, 'leases'), now(), {'ok'}, {}
if redis.call('ZCARD', leases) > 20000 then return {'ok', {'unsure', 'leases', ''}} end
for _, member in ipairs(redis.call('ZRANGE', leases, 0, -1)) do leased[string.sub(member, 1, 32)] = true end
for i = 3, #ARGV do
  local q = run_split(redis.call('HGET', key(P, 'run'), ARGV[i]) or '')
  if q and not leased[ARGV[i]] then
    out[#out + 1] = {'unleased', ARGV[i], q, 0, 0, mend and 1 or 0}
    if mend then redis.call('ZADD', leases, now_ms, ARGV[i] .. string.rep('0', 23)) end
  end
end
return mend and ledger_keep(P, call, out) or out
