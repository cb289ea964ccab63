-- Takes from a kept task's record how it ended, since it runs again.
local function record_again(P, b, id)
  redis.call('HDEL', key(P, 'b', b.id, 'rec'), id .. 'o')
  if b.state == 'open' then
    redis.call('ZREM', key(P, 'b', b.id, 'kept'), id)
    records_index(P, b.id)
  end
end
