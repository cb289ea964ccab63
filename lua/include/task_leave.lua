-- Lets go of what a task holds as it leaves those that run, as its body's extension tells, and tells its schedule how it
-- ended: done, failed, cancelled, or nil when it goes on.
-- Seldom called.
local function task_leave(P, now_ms, b, id, ext, ended, claimed)
  if ended and type(ext.u) == 'string' then lock_end(P, now_ms, b, id, ext.u, ended == 'done') end
  if ended and type(ext.s) == 'string' then schedule_end(P, now_ms, ext, id, ended, claimed) end
  if type(ext.l) == 'string' then pcall(limits, P, 'leave', now_ms * 1000, ext.l, id) end
end
