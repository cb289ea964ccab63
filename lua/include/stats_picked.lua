-- Of a text that has a character for each member of a settlement, those of the members that it counts.
local function stats_picked(text, places)
  local found = {}
  for i, place in ipairs(places) do found[i] = string.sub(text, place, place) end
  return table.concat(found)
end
