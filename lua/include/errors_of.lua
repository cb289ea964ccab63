-- The names of the fields that hold a task's errors.
local function errors_of(id)
  local fields = {}
  for turn = 0, 19 do fields[#fields + 1] = id .. ':' .. turn end
  return fields
end
