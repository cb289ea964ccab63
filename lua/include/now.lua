-- The server's time in milliseconds, and in microseconds.
local function now()
  local t = redis.call('TIME')
  local us = t[1] * 1000000 + t[2]
  return math.floor(us / 1000), us
end
