-- Takes away up to n unique locks of a segment that is gone, but not those that others have taken over meanwhile; how many
-- were looked at. One without any leaves the index.
local function locks_drain(P, seg, n)
  local uniq, noted = key(P, 'uniq'), key(P, 'b', seg, 'u')
  local digests = redis.call('SRANDMEMBER', noted, n)
  if #digests > 0 then
    local gone, values = {}, redis.call('HMGET', uniq, unpack(digests))
    for i, digest in ipairs(digests) do
      local _, of, _, over = lock_read(values[i] or '')
      if of == seg and not over then gone[#gone + 1] = digest end
    end
    if #gone > 0 then
      redis.call('ZREM', key(P, 'uniqends'), unpack(gone))
      redis.call('HDEL', uniq, unpack(gone))
    end
    redis.call('SREM', noted, unpack(digests))
  end
  if #digests < n then redis.call('ZREM', key(P, 'unlock'), seg) end
  return #digests
end
