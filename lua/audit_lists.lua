-- Holds lists of tasks against what must point to them: lines, indexes, their batches' records.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it: mend what is wrong; an empty list: only look)
--   3 asked json ({segment, kind, queue} each, at most 50; kind r, d or x, or staged, rec or u without a queue)
-- Returns: {"ok"}, then {kind, batch, queue, counted, there, 0 | 1 mended | 2 can't be mended, tenant} for each difference;
--   {"unsure", what, name} where a line is too long to be looked through
-- Includes: guard, now, ledger_find, ledger_keep, audit_line, audit_due, audit_dead, audit_named,
--   audit_recorded, audit_noted
-- Cost: O(n × place in line), 50,000 places or 5,000 tickets each at most
local slot = KEYS[1]
local P, call, asked = ARGV[1], cjson.decode(ARGV[2]), cjson.decode(ARGV[3])
guard(slot)
local mend = #call > 0
local known = mend and ledger_find(P, call)
if known then return known end
local now_ms = now()
local out = {'ok'}
for _, one in ipairs(asked) do
  local seg, kind, q = one[1], one[2], one[3]
  local batch = string.sub(seg, 1, 22)
  local b = redis.call('HMGET', key(P, 'b', batch), 'tenant', 'state')
  local staged = redis.call('EXISTS', key(P, 'b', seg, 'staged')) == 1
  if kind == 'staged' then
    if staged and not redis.call('ZSCORE', key(P, 'staging'), seg) then
      out[#out + 1] = {'unstaged', batch, '', 0, 0, mend and 1 or 0, ''}
      if mend then redis.call('ZADD', key(P, 'staging'), now_ms, seg) end
    end
  elseif kind == 'rec' then
    if not staged then audit_recorded(P, b[2], seg, mend, out) end
  elseif kind == 'u' then
    if redis.call('EXISTS', key(P, 'b', seg, 'u')) == 1 and not staged then audit_noted(P, now_ms, seg, b[2], mend, out) end
  elseif redis.call('EXISTS', key(P, 'b', seg, kind, q)) == 1 and not staged then
    if not b[2] or not b[1] then
      out[#out + 1] = {'nobodys', batch, q, 0, 0, 2, ''}
    else
      audit_named(P, b[1], b[2], seg, kind, q, mend, out)
      if kind == 'r' then audit_line(P, b[1], seg, q, mend, out)
      elseif kind == 'd' then audit_due(P, seg, q, mend, out)
      else audit_dead(P, b[2], seg, q, mend, out) end
    end
  end
end
return mend and ledger_keep(P, call, out) or out
