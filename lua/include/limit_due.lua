-- Sees that a limit whose rate or hold keeps tasks waiting is looked at when it ends. Where burst allows several at once, half
-- of them go together, so that a high rate doesn't wake a worker for each task.
local function limit_due(P, l, room)
  if room.slots <= 0 or room.tokens > 0 then return end
  local at = room.held or room.tat - (room.b - 1) * room.i + (math.max(1, math.floor(room.b / 2)) - 1) * room.i
  redis.call('ZADD', key(P, 'delayed'), math.ceil(at / 1000), '!' .. l)
end
