-- Raises an error where a continuation is not of the form that include/fire.lua reads, before anything is written.
local function entries_check(entries)
  for _, entry in ipairs(entries) do
    local on = string.match(entry, '^(%S+) %S+ %d+\n')
    if on ~= 'done' and on ~= 'settled' and on ~= 'failed' and on ~= 'cancelled' then error('continuation: ' .. tostring(on)) end
  end
end
