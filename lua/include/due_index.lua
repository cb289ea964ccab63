-- Sets when a segment's delayed tasks of a queue are next due; wakes a worker that may be waiting for a later time.
local function due_index(P, q, seg)
  local index, member = key(P, 'delayed'), seg .. ':' .. q
  local head = redis.call('ZRANGE', key(P, 'b', seg, 'd', q), 0, 0, 'WITHSCORES')
  if #head == 0 then
    redis.call('ZREM', index, member)
    return
  end
  redis.call('ZADD', index, head[2], member)
  if redis.call('ZRANGE', index, 0, 0)[1] == member then wake(P, q) end
end
