-- The id of a schedule's task that could not be put whole, where it lies in its list all the same, so that it will run; or nil.
-- Seldom called.
local function schedule_lies(P, s, task)
  local home, ext = redis.pcall('HGET', key(P, 't', s.tenant), 'hidden'), body_ext(task .. (s.body or '.'))
  if type(home) ~= 'string' or not ext then return nil end
  local last = redis.pcall('LINDEX', key(P, 'b', limit_seg(home, limit_all(ext.l)), 'r', s.queue), -1)
  return type(last) == 'string' and string.sub(last, 1, 10) == task and home .. task or nil
end
