-- The queue, the time of the claim, the body and the progress (nil where none was told) of a running task's entry.
local function run_split(entry)
  local first = string.find(entry, '\n', 1, true)
  local second = first and string.find(entry, '\n', first + 1, true)
  if not second then return nil end
  local claimed, progress = string.sub(entry, first + 1, second - 1), nil
  local blank = string.find(claimed, ' ', 1, true)
  if blank then claimed, progress = string.sub(claimed, 1, blank - 1), string.sub(claimed, blank + 1) end
  return string.sub(entry, 1, first - 1), tonumber(claimed) or 0, string.sub(entry, second + 1), progress
end
