-- How many may start by a rate at this moment, and when the next token would be due if they came one by one: i µs between two,
-- b at once; tat is when that was, as it is kept. No time lies further ahead than the rate allows, whatever the clock did.
local function tokens(us, tat, i, b)
  local slack = (b - 1) * i
  local next_at = math.max(us, math.min(tat, us + slack + i))
  return math.floor((us + slack - next_at) / i) + 1, next_at
end
