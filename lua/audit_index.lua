-- Looks through a part of an index for entries that stand for nothing any more, and drops them; segments that nobody has
-- added to for long, or that were committed, are dropped whole. A tenant's lost open batch is made again.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it: mend what is wrong; an empty list: only look)
--   3 index str (settled, delayed, staging, cx, tenants, idle, schedules, coded, over, dead, tb or ts)
--   4 of str (the queue of dead, the tenant of tb and ts; else empty)
--   5 age int (ms: a segment that nobody has added to for longer is left over)
--   6 cursor str (0 at first)
-- Returns: {cursor (0 at the end)}, then {kind, index or tenant, member or batch, 0, 0, 0 | 1 mended} for each difference
-- Includes: guard, now, ledger_find, ledger_keep, index_stale, seg_drop, audit_home
-- Cost: O(n × queues) for 200 entries
local slot = KEYS[1]
local P, call, index, of = ARGV[1], cjson.decode(ARGV[2]), ARGV[3], ARGV[4]
local age, cursor = tonumber(ARGV[5]), ARGV[6]
guard(slot)
local mend = #call > 0
local known = mend and ledger_find(P, call)
if known then return known end
local now_ms, us = now()
local name = of == '' and key(P, index) or key(P, index, of)
local page = redis.call('ZSCAN', name, cursor, 'COUNT', 200)
local out = {page[1]}
for i = 1, #page[2], 2 do
  local member, since = page[2][i], tonumber(page[2][i + 1])
  if index_stale(P, index, of, member) then
    out[#out + 1] = {'stale', index, member, 0, 0, mend and 1 or 0}
    if mend then redis.call('ZREM', name, member) end
  elseif index == 'staging' and (since < now_ms - age or redis.call('EXISTS', key(P, 'b', member)) == 1) then
    out[#out + 1] = {'staged', index, member, 0, 0, mend and 1 or 0}
    if mend then seg_drop(P, member, now_ms) end
  elseif index == 'tenants' then
    audit_home(P, us, member, mend, out)
  end
end
return mend and ledger_keep(P, call, out) or out
