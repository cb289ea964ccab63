-- How many tasks may start in a limit's room.
local function limit_free(room)
  return math.max(0, math.min(room.slots, room.tokens))
end
