-- Raises an error where fields of a record that are about to be counted up or down are no whole numbers, or the record is of a
-- wrong type: before anything is written. also: one more field, whose value it returns.
local function counts_check(name, also, ...)
  local fields = {...}
  local found = redis.call('HMGET', name, also, ...)
  for i, field in ipairs(fields) do
    local n = found[i + 1]
    if n and not string.find(n, '^%-?%d+$') then error(name .. ': ' .. field .. ' is no whole number') end
  end
  return found[1]
end
