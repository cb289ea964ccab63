-- Holds a limit for as long as a handler has asked for; a longer hold stays.
local function limit_hold(P, now_ms, l, wait_ms)
  local rate, ends = key(P, 'rate', l), (now_ms + wait_ms) * 1000
  local r = redis.call('HMGET', rate, 'tat', 'until', 'wait')
  if math.min(whole(r[2]), now_ms * 1000 + whole(r[3])) >= ends then return end
  redis.call('HSET', rate, 'until', string.format('%.0f', ends), 'wait', string.format('%.0f', wait_ms * 1000))
  redis.call('PEXPIRE', rate, math.max(wait_ms, math.ceil(whole(r[1]) / 1000 - now_ms)) + 60000)
end
