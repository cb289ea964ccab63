-- Takes a batch's continuations away, so that it ends without firing any.
local function batch_quiet(P, b)
  redis.call('UNLINK', key(P, 'b', b.id, 'c'))
  if b.continuations > 0 then redis.call('HDEL', key(P, 'b', b.id), 'continuations') end
  b.continuations = 0
end
