-- What firing continuations costs: one each, and one more for every 2,000 bytes.
local function fire_weight(entries)
  local weight = #entries
  for _, entry in ipairs(entries) do weight = weight + math.floor(#entry / 2000) end
  return weight
end
