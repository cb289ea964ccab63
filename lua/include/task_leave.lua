-- What else happens when a task leaves its worker; _ended is done, failed or cancelled, or nil when it goes on.
-- Seldom called.
local function task_leave(P, now_ms, _b, _q, id, ext, _ended)
  if type(ext.l) == 'string' then pcall(limits, P, 'leave', now_ms * 1000, ext.l, id) end
end
