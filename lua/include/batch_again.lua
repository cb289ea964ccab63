-- A batch that had settled runs again: its pace is measured anew, from its next claim on and without what has ended before.
local function batch_again(P, batch)
  local record = key(P, 'b', batch)
  local b = redis.call('HMGET', record, 'total', 'remaining', 'cancelled', 'since', 'started')
  redis.call('HSET', record, 'base', string.format('%.0f', whole(b[1]) - whole(b[2]) - whole(b[3])))
  if b[4] and not b[5] then redis.call('HSET', record, 'started', b[4]) end
  redis.call('HDEL', record, 'ended', 'since')
end
