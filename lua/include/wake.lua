-- Leaves at most one wake-up marker on a queue; one idle worker takes it.
local function wake(P, q)
  local marker = key(P, 'wake', q)
  if redis.call('LLEN', marker) == 0 then redis.call('RPUSH', marker, '1') end
end
