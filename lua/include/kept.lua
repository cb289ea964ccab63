-- Whether a body is that of a task with keep="all", whose record stays until the retention ends.
local function kept(body)
  if string.byte(body, 11) == 46 then return false end
  local stop = string.find(body, '\n', 12, true)
  return stop ~= nil and string.find(string.sub(body, 12, stop), '"k":"a"', 1, true) ~= nil
end
