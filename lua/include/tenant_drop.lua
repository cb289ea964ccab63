-- Deletes all that is kept of a tenant that has nothing left, and the queues that only it was using. A list of
-- cancelled tasks, which a strict queue keeps for its tickets, goes too; the tickets are then stale and skipped.
local function tenant_drop(P, tenant, home)
  local names, all = key(P, 'tqs', tenant), ''
  if home then -- first, since of two lists of a limit the one that is left goes back in line
    for _, list in ipairs(redis.call('SMEMBERS', key(P, 'b', home, 'segs'))) do
      local seg, q = string.match(list, '^([^:]+):r:(.*)$')
      limit_drop(P, seg or home, q or '')
      redis.call('UNLINK', key(P, 'b', list))
    end
  end
  for _, q in ipairs(redis.call('SMEMBERS', names)) do
    redis.call('UNLINK', key(P, 'tq', q, tenant), key(P, 'lane', q, tenant), key(P, 'aside', q, tenant), key(P, 'tr', q, tenant))
    redis.call('ZREM', key(P, 'ring', q), tenant)
    if home then redis.call('UNLINK', key(P, 'b', home, 'r', q)) end
    if redis.call('HINCRBY', key(P, 'q', q), 'tenants', -1) <= 0 then
      local kept = redis.call('HMGET', key(P, 'q', q), 'mode', 'limit')
      redis.call('UNLINK', key(P, 'q', q), key(P, 'wake', q), key(P, 'fifo', q), key(P, 'ring', q))
      redis.call('SREM', key(P, 'queues'), q)
      if kept[1] then redis.call('HSET', key(P, 'q', q), 'mode', kept[1]) end
      if kept[2] then redis.call('HSET', key(P, 'q', q), 'limit', kept[2]) end
    end
  end
  if home then
    redis.call('UNLINK', key(P, 'b', home, 'segs'))
    redis.call('UNLINK', key(P, 'b', home), key(P, 'b', home, 'w'), key(P, 'b', home, 'e'), key(P, 'b', home, 'big'),
      key(P, 'b', home, 'rec'))
  end
  redis.call('UNLINK', key(P, 't', tenant), names, key(P, 'out', tenant), key(P, 'tr', all, tenant))
  redis.call('SREM', key(P, 'out'), tenant)
  redis.call('ZREM', key(P, 'delayed'), '@' .. tenant)
  redis.call('ZREM', key(P, 'tenants'), tenant)
end
