-- When a tenant goes on that a rate holds up: where burst allows several at once half of them go together, so that a high rate
-- doesn't wake a worker for each task.
-- Seldom called.
local function rate_at(room, rate)
  local several = math.max(1, math.floor(rate.b / 2))
  return math.max(room.at or 0, rate.tat - (rate.b - several) * rate.i)
end
