-- Takes up to n tickets off the line of a strict queue in which nothing is ready: of cancelled batches, and of
-- tasks cancelled alone, whose lists of empty entries go with them. Returns whether that was all.
local function tickets_drop(P, q, n)
  local line = key(P, 'fifo', q)
  for _ = 1, n do
    local ticket = redis.call('LPOP', line)
    if not ticket then return true end
    local seg = string.match(ticket, '^(.*):%d+$')
    if seg then
      local batch = string.sub(seg, 1, 22)
      redis.call('UNLINK', key(P, 'b', seg, 'r', q))
      redis.call('HDEL', key(P, 'b', batch), 'tombs:' .. seg .. ':' .. q)
      if seg ~= batch then redis.call('SREM', key(P, 'b', batch, 'segs'), seg .. ':r:' .. q) end
    end
  end
  return false
end
