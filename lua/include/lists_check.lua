-- Raises an error where a chunk's lists don't name exactly the arguments that came with them, before anything is written.
local function lists_check(lists, given)
  local wanted = 0
  for _, list in ipairs(lists) do
    local kind, n = list[1], list[3]
    if kind ~= 'r' and kind ~= 'd' and kind ~= 'big' or type(n) ~= 'number' or n < 1 or type(list[6] or 0) ~= 'number' then
      error('lists: kind ' .. tostring(kind) .. ' of ' .. tostring(n))
    end
    wanted = wanted + (kind == 'big' and 2 * n or n)
  end
  if wanted ~= given then error('lists: ' .. wanted .. ' arguments named, ' .. given .. ' given') end
end
