-- Stores a schedule, or changes the one of that id: one whose rule stays keeps its next occurrence and its runs, and one that is
-- paused stays so. What code has declared is left alone while the code says the same.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it)
--   3 schedule str (digest of tenant and id)
--   4 tenant str
--   5 id str
--   6 rule str (what says when it runs; a changed one begins anew)
--   7 anchor str (ms: what an interval counts from; that of the first upsert stays)
--   8 next str (ms; empty: none comes)
--   9 coded str (digest of what the code says; empty for an upsert at run time)
--   10 fields json ({name, value...}: spec, handler, queue, unique)
--   11 body bytes (of its tasks, without their local ids)
--   12 entry str (for the journal, as include/journal.lua has it)
-- Returns: {"ok"}; {"again", the anchor that holds}; {"full", the tenant's limit, how many there are}; {"stale"}
-- Includes: guard, now, ledger_find, ledger_keep, schedule_read, schedule_index, schedule_room,
--   journal
-- Cost: O(log schedules)
local slot = KEYS[1]
local P, call, sid, tenant, id = ARGV[1], cjson.decode(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
local rule, anchor, next, coded = ARGV[6], ARGV[7], ARGV[8], ARGV[9]
local fields, body, entry = cjson.decode(ARGV[10]), ARGV[11], ARGV[12]
guard(slot)
local known = ledger_find(P, call)
if known then return known end
local name, old = key(P, 's', sid), schedule_read(P, sid)
if old and coded ~= '' and old.coded == coded then return ledger_keep(P, call, {'ok'}) end
local holds = old and old.rule == rule and old.anchor or anchor
if holds ~= anchor then return ledger_keep(P, call, {'again', holds}) end
if not old then
  local limit, n = schedule_room(P, tenant)
  if limit then return ledger_keep(P, call, {'full', limit, n}) end
end
local now_ms, us = now()
local s = old or {sid = sid, tenant = tenant, id = id, rev = us} -- no revision of one that was cancelled is taken for this one's
local begins = s.rule ~= rule
if begins then
  s.rev, s.next = s.rev + 1, next
elseif s.next == '' and next ~= s.last then -- one that was fired since it was reckoned comes no more
  s.next = next
end
local by_hand = not s.coded
if coded ~= '' then s.coded = coded end
redis.call('HSET', name, 'tenant', tenant, 'id', id, 'rule', rule, 'anchor', anchor, 'rev', string.format('%.0f', s.rev),
  'next', s.next, 'body', body, 'changed', string.format('%.0f', now_ms), unpack(fields))
if begins then redis.call('HDEL', name, 'runs') end
if not old then redis.call('HSET', name, 'created', string.format('%.0f', now_ms)) end
if s.coded then
  redis.call('HSET', name, 'coded', s.coded)
  if by_hand then redis.call('ZREM', key(P, 'schedules'), sid) end
end
redis.call('ZADD', key(P, 'ts', tenant), 0, id .. '\0' .. sid)
schedule_index(P, now_ms, s, s.next)
journal(P, entry)
return ledger_keep(P, call, {'ok'})
