-- Of a text that has a character for each member of a settlement, those of the members that are kept, which are in order.
local function stats_picked(text, members, kept)
  local found = {}
  for i, member in ipairs(members) do
    if member == kept[#found + 1] then found[#found + 1] = string.sub(text, i, i) end
  end
  return table.concat(found)
end
