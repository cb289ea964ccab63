-- The body of a task that was delivered once more, with so many attempts added to those it has used.
local function body_next(body, attempts, changes)
  local ext = body_ext(body)
  if not ext then return body end
  changes = changes or {n = false}
  changes.a = count(ext.a) + attempts
  changes.d = count(ext.d) + 1
  return body_set(body, changes)
end
