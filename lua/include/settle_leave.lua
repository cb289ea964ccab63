-- Sees that a task that leaves those that run lets go of what it holds; most hold nothing.
local function settle_leave(P, now_ms, p, other, entry, ended)
  local _, claimed, body = run_split(entry or '')
  if not body or string.sub(body, 11, 11) == '.' then return end
  local ext = body_ext(body)
  if ext then task_leave(P, now_ms, p.batch, other[1], ext, ended, claimed) end
end
