-- Reads the schedules that are due, those first that are so for longest.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 skip int (so many that are due are left to others)
--   3 take int (at most 50)
--   4 coded bytes... (the schedules that the caller's code declares; of such only these are looked at)
-- Returns: {"ok", now_ms, when the next is to be looked at (ms, empty: none), whether the instance is paused, {schedule,
--   revision, next, anchor, runs, spec}...}
-- Includes: guard, now, schedule_read
-- Cost: O(take + coded)
local slot = KEYS[1]
local P, skip, take = ARGV[1], tonumber(ARGV[2]), math.min(tonumber(ARGV[3]), 50)
guard(slot)
local now_ms = now()
local index = key(P, 'schedules')
local first = redis.call('ZRANGE', index, 0, 0, 'WITHSCORES')[2]
local due = redis.call('ZRANGEBYSCORE', index, '-inf', now_ms, 'LIMIT', skip, take)
if #due == 0 and skip > 0 then due = redis.call('ZRANGEBYSCORE', index, '-inf', now_ms, 'LIMIT', 0, take) end
for from = 4, #ARGV, 1000 do -- no more fit in one command of a script's
  local times = redis.call('ZMSCORE', key(P, 'coded'), unpack(ARGV, from, math.min(from + 999, #ARGV)))
  for i, at in ipairs(times) do
    if at and (not first or tonumber(at) < tonumber(first)) then first = at end
    if at and tonumber(at) <= now_ms and #due < 2 * take then due[#due + 1] = ARGV[from + i - 1] end
  end
end
local out = {'ok', string.format('%.0f', now_ms), first or '', redis.call('HEXISTS', key(P, 'm'), 'paused')}
local function read(sid)
  local s = schedule_read(P, sid)
  return s and {sid, s.rev, s.next, s.anchor or '', s.runs, redis.call('HGET', key(P, 's', sid), 'spec') or ''}
end
for _, sid in ipairs(due) do
  local ok, found = pcall(read, sid)
  if string.find(sid, '[^%w_-]') then
    redis.call('ZREM', index, sid) -- nobody could name it to take it away
  else
    out[#out + 1] = ok and found or {sid, 0, '', '', 0, ''} -- whoever tries to fire it finds out what is wrong
  end
end
return out
