-- Lets go of what a task holds as it leaves those that run, as its body's extension tells. ended: done, failed, cancelled,
-- or nil when it goes on.
-- Seldom called.
local function task_leave(P, now_ms, b, _q, id, ext, ended)
  if ended and type(ext.u) == 'string' then lock_end(P, now_ms, b, id, ext.u, ended == 'done') end
  if type(ext.l) == 'string' then pcall(limits, P, 'leave', now_ms * 1000, ext.l, id) end
end
