-- The queue of a running task. q is what its entry says: where that is none of its batch's it is taken for the first of
-- them. nil where the entry says nothing and the batch is gone, or nothing of it can be running.
local function home_queue(P, batch, q)
  local b, names = redis.pcall('HMGET', key(P, 'b', batch), 'state', 'queues', 'tenant', 'zombies'), {}
  if b[1] == 'open' then
    names = b[3] and redis.pcall('SMEMBERS', key(P, 'tqs', b[3])) or {}
    table.sort(names)
  elseif b[1] == 'running' or b[1] == 'cancelled' and whole(b[4]) > 0 then
    for name in string.gmatch(b[2] or '', '%S+') do names[#names + 1] = name end
  end
  for _, name in ipairs(names) do
    if name == q then return q end
  end
  return names[1] or q
end
