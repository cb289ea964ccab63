-- Holds limits against the tasks that run and the lists that wait: slots of tasks that don't run, lists that nobody would let
-- go on, and what is noted of lists that are gone.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it: mend what is wrong; an empty list: only look)
--   3 limits bytes...  (at most 20; with a colon and a queue behind it: of a limit only the lists of that queue, known to it or not)
-- Returns: {"ok"}, then {kind, limit, task or queue, counted, there, 0 | 1 mended} for each difference; {"unsure", what, limit}
--   where there is too much to look through
-- Includes: guard, now, ledger_find, ledger_keep, audit_parked, audit_slots, limit_next
-- Cost: O(n × (slots + lists)), 20,000 slots, 1,000 lists and 5,000 places in line each at most
local slot = KEYS[1]
local P, call = ARGV[1], cjson.decode(ARGV[2])
guard(slot)
local mend = #call > 0
local known = mend and ledger_find(P, call)
if known then return known end
local _, us = now()
local out = {'ok'}
for i = 3, #ARGV do
  local l, of = string.match(ARGV[i], '^([^:]*):?(.*)$')
  local before, queues = #out, of ~= '' and {of} or redis.call('SMEMBERS', key(P, 'park', l))
  for _, q in ipairs(queues) do audit_parked(P, us, l, q, mend, out) end
  if of == '' then audit_slots(P, l, mend, out) end
  if mend and #out > before then limit_next(P, us, l) end
end
return mend and ledger_keep(P, call, out) or out
