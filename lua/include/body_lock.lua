-- The digest of a body's unique lock, and how long it lasts from when it is taken (ms; nil: as long as its task); nil for
-- a task that is not unique.
local function body_lock(body)
  if string.sub(body, 11, 11) == '.' or not string.find(body, '"u":"', 12, true) then return nil end
  local ext = body_ext(body)
  if not ext or type(ext.u) ~= 'string' then return nil end
  return ext.u, count(ext.v) > 0 and math.floor(count(ext.v)) or nil
end
