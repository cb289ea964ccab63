-- A number of a record; 0 for one that is missing, and for what is no number.
local function whole(value)
  local n = type(value) ~= 'table' and tonumber(value or 0)
  return n and n - n == 0 and n or 0
end
