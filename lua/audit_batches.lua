-- Holds batches' records against their tasks: counters, states, continuations, lists, bodies, indexes.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it: mend what is wrong; an empty list: only look)
--   3 exact int (1: count running tasks here and now; then one batch only)
--   4 asked json ({batch, how many of its tasks run as far as is known, and the version that it had before these were
--     counted, or ""} each, at most 20)
-- Returns: {"ok"}, then {kind, batch, detail, counted, there, 0 | 1 mended | 2 can't be mended} for each difference;
--   {"suspect", batch} where the known number of running tasks doesn't fit; {"unsure", what, name, version} where
--   there is too much to count
-- Includes: guard, now, ledger_find, ledger_keep, batch_read, batch_lists, batch_version, running_of, audit_tombs, audit_count,
--   audit_fits, audit_record, audit_fired, audit_parts, audit_kept, audit_strayed
-- Cost: O(n × (queues + segments)); with exact also O(running tasks), 20,000 and 3,000 of the batch at most
local slot = KEYS[1]
local P, call, exact, asked = ARGV[1], cjson.decode(ARGV[2]), ARGV[3] == '1', cjson.decode(ARGV[4])
guard(slot)
local mend = #call > 0
local known = mend and ledger_find(P, call)
if known then return known end
local now_ms, us = now()
local out = {'ok'}
for _, one in ipairs(asked) do
  local b, running, before = batch_read(P, one[1]), one[2], #out
  if b.state then
    local lists, waiting, version = batch_lists(P, b), 0, ''
    if exact then
      version = batch_version(P, b, lists)
      if version ~= one[3] then running = running_of(P, b.id, now_ms) end
      audit_tombs(P, b, lists, mend, out)
    end
    for _, list in ipairs(lists) do
      if list.kind ~= 'x' then waiting = waiting + list.size - list.tombs end
    end
    if not running then
      out[#out + 1] = {'unsure', 'batch', b.id, version}
    elseif exact then
      audit_count(P, now_ms, us, b, waiting, running, mend, out)
    elseif not audit_fits(P, b, waiting, running) then
      out[#out + 1] = {'suspect', b.id}
    end
    if mend or #out == before then
      audit_record(P, now_ms, b, lists, mend, out)
      audit_fired(P, now_ms, us, b, mend, out)
      audit_parts(P, b, lists, mend, out)
      if b.state == 'open' then
        audit_kept(P, b, mend, out)
        audit_strayed(P, b, mend, out)
      end
    end
  end
end
return mend and ledger_keep(P, call, out) or out
