-- The tasks of a chunk's lists summed by kind, queue and limit: {kind, queue, n, limit}, with the length that the list has
-- now, if it is known.
local function list_sizes(lists)
  local sizes, at, records = {}, {}, 0
  for _, list in ipairs(lists) do
    local name = list[1] .. ':' .. list[2] .. '!' .. (list[8] or '')
    if not at[name] then
      sizes[#sizes + 1] = {list[1], list[2], 0, list[8]}
      at[name] = #sizes
    end
    sizes[at[name]][3], sizes[at[name]].length = sizes[at[name]][3] + list[3], list.length
    records = records + (list[6] or 0)
  end
  if records > 0 then sizes[#sizes + 1] = {'rec', '', records} end
  return sizes
end
