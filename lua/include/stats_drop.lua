-- Drops the sums of minutes or hours that began before a time (s), the oldest first, at most n of them; how many.
local function stats_drop(P, span, before, n)
  local index = key(P, 'periods', span)
  local found = n > 0 and redis.call('ZRANGEBYSCORE', index, '-inf', before, 'LIMIT', 0, n) or {}
  for _, start in ipairs(found) do
    local name = key(P, 'sum', span, start)
    redis.call('ZREM', index, start)
    redis.call('HINCRBY', key(P, 'sums'), 'entries', 0 - redis.call('HLEN', name))
    redis.call('UNLINK', name)
  end
  return #found
end
