-- Deletes a schedule; a task of it that is there goes on.
local function schedule_drop(P, s)
  for _, index in ipairs({'schedules', 'coded', 'over'}) do redis.call('ZREM', key(P, index), s.sid) end
  redis.call('ZREM', key(P, 'ts', s.tenant), s.id .. '\0' .. s.sid)
  redis.call('UNLINK', key(P, 's', s.sid))
end
