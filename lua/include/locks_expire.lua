-- Takes away up to n unique locks whose time is over, unless they were taken anew; how many were looked at.
local function locks_expire(P, now_ms, n)
  local uniq, index = key(P, 'uniq'), key(P, 'uniqends')
  local digests = redis.call('ZRANGEBYSCORE', index, '-inf', now_ms, 'LIMIT', 0, n)
  if #digests == 0 then return 0 end
  local gone = {}
  for i, value in ipairs(redis.call('HMGET', uniq, unpack(digests))) do
    local _, _, ends = lock_read(value or '')
    if ends then gone[#gone + 1] = digests[i] end
  end
  redis.call('ZREM', index, unpack(digests))
  if #gone > 0 then redis.call('HDEL', uniq, unpack(gone)) end
  return #digests
end
