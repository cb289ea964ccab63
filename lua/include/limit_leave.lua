-- Gives back the slot of a task that has left its worker, whatever became of it; another goes on.
local function limit_leave(P, us, l, id)
  local slots = key(P, 'lim', l)
  if redis.call('SREM', slots, id) == 0 then return end
  if string.find(l, '.', 1, true) and redis.call('EXISTS', slots) == 0 then
    redis.call('SREM', key(P, 'lims', string.match(l, '^[^.]*')), l)
  end
  limit_next(P, us, l)
end
