-- Pauses a schedule, or lets one that is paused go on.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it)
--   3 schedule str
--   4 pause int (1 or 0)
--   5 rev int (for 0: the revision for which the next occurrence was reckoned)
--   6 next str (for 0: ms; empty: none comes)
--   7 entry str (for the journal, as include/journal.lua has it); noted where it changes anything
-- Returns: {"ok"}; {"again"} where it was changed meanwhile; {"unknown"}; {"stale"}
-- Includes: guard, now, ledger_find, ledger_keep, schedule_read, schedule_index, journal
-- Cost: O(log schedules)
local slot = KEYS[1]
local P, call, sid, pause, rev, next = ARGV[1], cjson.decode(ARGV[2]), ARGV[3], ARGV[4] == '1', tonumber(ARGV[5]), ARGV[6]
local entry = ARGV[7]
guard(slot)
local known = ledger_find(P, call)
if known then return known end
local s, name = schedule_read(P, sid), key(P, 's', sid)
if not s then return ledger_keep(P, call, {'unknown'}) end
if not pause and s.paused then
  if s.rev ~= rev then return ledger_keep(P, call, {'again'}) end
  redis.call('HDEL', name, 'paused')
  redis.call('HSET', name, 'next', next)
  s.paused, s.next = nil, next
  schedule_index(P, now(), s, next)
  journal(P, entry)
elseif pause and not s.paused then
  s.paused = '1'
  schedule_index(P, now(), s, '') -- first, since a full Redis lets it through
  redis.call('HSET', name, 'paused', 1)
  journal(P, entry)
end
return ledger_keep(P, call, {'ok'})
