-- Drops a list in a strict queue of which only empty entries of cancelled tasks are left, also where it waits for a limit.
local function ticket_list(P, q, seg)
  local batch = string.sub(seg, 1, 22)
  limit_drop(P, seg, q)
  redis.call('UNLINK', key(P, 'b', seg, 'r', q))
  redis.call('HDEL', key(P, 'b', batch), 'tombs:' .. seg .. ':' .. q)
  if seg ~= batch then redis.call('SREM', key(P, 'b', batch, 'segs'), seg .. ':r:' .. q) end
end
