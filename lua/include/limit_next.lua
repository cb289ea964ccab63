-- Lets the next go on that wait for a limit, if it has room: a list in each queue that has any, since the queue that is served
-- first is to have it. Returns whether there was one.
local function limit_next(P, us, l)
  local queues, any = redis.call('SMEMBERS', key(P, 'park', l)), false
  if #queues == 0 then return false end
  local room = limit_room(P, us, l)
  if limit_free(room) == 0 then
    limit_due(P, l, room)
    return false
  end
  table.sort(queues)
  for _, q in ipairs(queues) do any = limit_unpark(P, q, l) or any end
  if not any and redis.call('EXISTS', key(P, 'park', l)) == 1 then -- all that was looked at is gone: there are more
    redis.call('ZADD', key(P, 'delayed'), math.ceil(us / 1000), '!' .. l)
  end
  return any
end
