-- The place of a task in a ready list whose ids rise, as they do but for tasks that came back; nil if it isn't found.
local function list_find(list, id)
  local function before(a, b)
    for i = 1, 10 do
      local x, y = string.byte(a, i) or 0, string.byte(b, i) or 0
      if x ~= y then return x < y end
    end
    return false
  end
  local low, high = 0, redis.call('LLEN', list) - 1
  while low <= high do
    local at = math.floor((low + high) / 2)
    local body = redis.call('LINDEX', list, at)
    if string.sub(body, 1, 10) == id then return at, body end
    if before(body, id) then low = at + 1 else high = at - 1 end
  end
  return nil
end
