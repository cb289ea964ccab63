-- The limit under which a body's task runs, or nil.
local function body_limit(body)
  if string.sub(body, 11, 11) == '.' then return nil end
  local at, stop = string.find(body, '"l":"', 12, true), string.find(body, '\n', 12, true)
  return at and stop and at < stop and string.match(body, '^[^"]+', at + 5) or nil
end
