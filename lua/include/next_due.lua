-- When the next delayed task is due and when the next lease ends, in ms; empty strings for never, and for what can't be told.
local function next_due(P)
  local due = redis.pcall('ZRANGE', key(P, 'delayed'), 0, 0, 'WITHSCORES')
  local ends = redis.pcall('ZRANGE', key(P, 'leases'), 0, 0, 'WITHSCORES')
  return due[2] or '', ends[2] or ''
end
