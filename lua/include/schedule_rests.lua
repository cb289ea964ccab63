-- Whether a schedule's tenant rests, so that it isn't fired; where it is due it is looked at again in a minute, or as soon as the
-- tenant goes on.
local function schedule_rests(P, now_ms, s)
  if not tenants(P, 'rests', s.tenant) then return false end
  local at = redis.call('ZSCORE', key(P, s.coded and 'coded' or 'schedules'), s.sid)
  if at and tonumber(at) <= now_ms then schedule_index(P, now_ms, s, now_ms + 60000) end
  return true
end
