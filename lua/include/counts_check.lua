-- Raises an error where fields of a record that are about to be counted up or down are no whole numbers, or the record is of a
-- wrong type: before anything is written.
local function counts_check(name, ...)
  local fields = {...}
  for at, n in ipairs(redis.call('HMGET', name, ...)) do
    if n and not string.find(n, '^%-?%d+$') then error(name .. ': ' .. fields[at] .. ' is no whole number') end
  end
end
