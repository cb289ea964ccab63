-- A tenant's weight by its rules.
-- Seldom called.
local function weight_of(r)
  return math.min(1000, math.max(0.001, tonumber(r.w) or 1))
end
