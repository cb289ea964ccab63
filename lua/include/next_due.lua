-- When the next delayed task is due and when the next lease ends, in ms; empty strings for never.
local function next_due(P)
  local due = redis.call('ZRANGE', key(P, 'delayed'), 0, 0, 'WITHSCORES')
  local ends = redis.call('ZRANGE', key(P, 'leases'), 0, 0, 'WITHSCORES')
  return due[2] or '', ends[2] or ''
end
