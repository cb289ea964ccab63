-- The body with its time of creation, for tasks that joined a batch after its own.
local function body_stamp(body, now_ms)
  local created = string.format('"c":%.0f', now_ms)
  if string.sub(body, 11, 11) == '.' then
    return string.sub(body, 1, 10) .. '+{' .. created .. '}\n' .. string.sub(body, 12)
  end
  return string.sub(body, 1, 12) .. created .. ',' .. string.sub(body, 13)
end
