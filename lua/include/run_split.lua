-- The queue, the time of the claim and the body of a running task's entry.
local function run_split(entry)
  local first = string.find(entry, '\n', 1, true)
  local second = first and string.find(entry, '\n', first + 1, true)
  if not second then return nil end
  return string.sub(entry, 1, first - 1), tonumber(string.sub(entry, first + 1, second - 1)) or 0,
    string.sub(entry, second + 1)
end
