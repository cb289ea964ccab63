-- A number of an extension; 0 for whatever else a broken one may hold.
local function count(value)
  return type(value) == 'number' and value - value == 0 and value or 0
end
