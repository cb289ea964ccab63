-- Leaves at most one wake-up marker on a queue; one idle worker takes it.
local function wake(P, q)
  local marker = key(P, 'wake', q)
  local size = redis.pcall('LLEN', marker)
  if type(size) == 'table' then redis.call('UNLINK', marker) end -- it is of a wrong type, and but a hint
  if type(size) == 'table' or size == 0 then redis.call('RPUSH', marker, '1') end
end
