-- Puts a schedule in the index of its kind, by when it is to be looked at, or takes it off where at is ''; one that is
-- over is listed for pruning. Tells the workers where it is the first of all.
local function schedule_index(P, now_ms, s, at)
  local index = key(P, s.coded and 'coded' or 'schedules')
  redis.call('ZREM', key(P, 'over'), s.sid)
  if at == '' or s.paused then
    redis.call('ZREM', index, s.sid)
    local over = s.next == '' and not s.coded -- what code declares would be made anew
    if over then redis.call('ZADD', key(P, 'over'), now_ms, s.sid) end
    return
  end
  redis.call('ZADD', index, at, s.sid)
  if redis.call('ZRANGE', index, 0, 0)[1] == s.sid then redis.call('PUBLISH', P .. 'control', 'schedule') end
end
