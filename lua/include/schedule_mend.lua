-- Sets right where a schedule stands that was found due and isn't to be fired: one that is gone, paused or over leaves the
-- indexes, one that isn't due waits for its time. One that is due stays for whoever knows it as it is now.
local function schedule_mend(P, now_ms, sid, s)
  if not s then
    for _, index in ipairs({'schedules', 'coded'}) do redis.call('ZREM', key(P, index), sid) end
    return
  end
  redis.call('ZREM', key(P, s.coded and 'schedules' or 'coded'), sid)
  local at, next = redis.call('ZSCORE', key(P, s.coded and 'coded' or 'schedules'), sid), tonumber(s.next)
  local rests = s.paused or s.next == ''
  if rests and not at then return end
  if at and (tonumber(at) > now_ms or not rests and next and next <= now_ms) then return end
  schedule_index(P, now_ms, s, (next or s.next == '') and s.next or now_ms + 60000)
end
