-- Notes in its schedule how a task of it has ended, "outcome due claimed ended task", the newest first, ten in all.
-- Seldom called.
local function schedule_end(P, now_ms, ext, task, ended, claimed)
  local name = key(P, 's', string.sub(ext.s, 1, 22))
  local old = redis.pcall('HMGET', name, 'tenant', 'history')
  if not old[1] then return end -- it is gone, or broken: the task ends all the same
  local lines = {string.format('%s %.0f %.0f %.0f %s', ended, count(ext.t), claimed or 0, now_ms, task)}
  for line in string.gmatch(old[2] or '', '[^\n]+') do
    if #lines < 10 then lines[#lines + 1] = line end
  end
  redis.call('HSET', name, 'history', table.concat(lines, '\n'))
end
