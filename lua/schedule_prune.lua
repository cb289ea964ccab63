-- Deletes schedules that have been over for the retention.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 retention int (ms)
--   3 limit int (at most 100)
-- Returns: {"ok", how many were due, broken}; broken: those that were put off since their keys can't be used
-- Includes: guard, now, apart, put_off, schedule_read, schedule_drop
-- Cost: O(n log schedules) for n schedules
local slot = KEYS[1]
local P, retention, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
guard(slot)
local now_ms = now()
local index, broken = key(P, 'over'), {}
local function drop(sid)
  local s = schedule_read(P, sid)
  if s and (s.next ~= '' or s.coded) then s = nil end -- it still fires, and is listed by mistake
  if s then schedule_drop(P, s) end
  redis.call('ZREM', index, sid)
  return true
end
local found = redis.call('ZRANGEBYSCORE', index, '-inf', now_ms - retention, 'LIMIT', 0, limit)
for _, sid in ipairs(found) do
  if not apart(broken, 'schedule', sid, drop, sid) then put_off(index, now_ms - retention, sid, true) end
end
return {'ok', #found, broken}
