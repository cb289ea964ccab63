-- Sees that a limit whose rate or hold keeps tasks waiting is looked at when it ends. Where burst allows several at once, half
-- of them go together, so that a high rate doesn't wake a worker for each task.
local function limit_due(P, l, room)
  if room.slots <= 0 or room.tokens > 0 then return end
  if room.moved then -- the clock was set back: else the time would be as far ahead at the next look
    local rate = key(P, 'rate', l)
    redis.call('HSET', rate, 'tat', string.format('%.0f', room.tat or 0))
    redis.call('HSET', rate, 'until', string.format('%.0f', room.held or 0))
  end
  local at = room.held or room.tat - (room.b - 1) * room.i + (math.max(1, math.floor(room.b / 2)) - 1) * room.i
  redis.call('ZADD', key(P, 'delayed'), math.ceil(at / 1000), '!' .. l)
end
