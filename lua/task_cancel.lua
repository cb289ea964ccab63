-- Cancels one task: a waiting one is gone and counted at once, a running one is told to stop.
-- A ready one is looked for, a bounded way at a time: "more" names where to go on.
-- Moves: ready | delayed → cancelled (running stays until its worker reports); batch running → done | failed
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it; a new number for each cursor)
--   3 task str (32 characters)
--   4 tenant str (or empty: whoever's)
--   5 cursor str (empty at first)
--   6 entry str (for the journal, as include/journal.lua has it)
-- Returns: {"ok"}; {"running"}; {"dead"}; {"more", cursor}; {"unknown"}; {"stale"}
-- Includes: guard, now, ledger_find, ledger_keep, batch_read, task_held, task_seek, waits_in, due_index, segment_shrink,
--   tombstone, task_gone, journal
-- Cost: O(1), or O(window) for a ready task
local slot = KEYS[1]
local P, call, task, tenant, cursor, entry = ARGV[1], cjson.decode(ARGV[2]), ARGV[3], ARGV[4], ARGV[5], ARGV[6]
guard(slot)
local known = ledger_find(P, call)
if known then return known end
local id, b = string.sub(task, 23), batch_read(P, string.sub(task, 1, 22))
if not b.state or b.state == 'cancelled' or (tenant ~= '' and b.tenant ~= tenant) then return {'unknown'} end
local now_ms, us = now()
local place, more = task_held(P, b, id), nil
if not place then place, more = task_seek(P, b, id, cursor) end
if not place then
  if more == '' then return {'unknown'} end
  return ledger_keep(P, call, {'more', more})
end
if place[1] == 'dead' then return ledger_keep(P, call, {'dead'}) end

redis.call('ZREM', key(P, 'cx'), task)
journal(P, entry)
if place[1] == 'running' then
  redis.call('ZADD', key(P, 'cx'), now_ms, task)
  redis.call('PUBLISH', P .. 'cancel', task)
  return ledger_keep(P, call, {'running'})
end
if place[1] == 'delayed' then
  local q, seg = place[2], place[5]
  redis.call('ZREM', key(P, 'b', seg, 'd', q), id)
  redis.call('HDEL', key(P, 'b', seg, 'w'), id)
  waits_in(P, q, b.tenant, 'delayed', -1)
  due_index(P, q, seg)
  if seg ~= b.id then segment_shrink(P, b.id, seg, q) end
else
  tombstone(P, b, place)
end
task_gone(P, now_ms, us, b, place[3])
return ledger_keep(P, call, {'ok'})
