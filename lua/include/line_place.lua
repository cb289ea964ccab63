-- Where the first of some segments (a set that is not empty) stands in a queue's line: 1 if it stands there, and how many tenants, batches
-- of the tenant and tasks stand before it; -1 each where that isn't known.
local function line_place(P, q, mode, tenant, segs)
  if mode == 'fifo' then
    local before = 0
    for _, ticket in ipairs(redis.call('LRANGE', key(P, 'fifo', q), 0, 999)) do
      local seg, n = string.match(ticket, '^(.*):(%d+)$')
      if segs[seg] then return 1, -1, -1, before end
      before = before + (tonumber(n) or 0)
    end
    return redis.call('LLEN', key(P, 'fifo', q)) > 1000 and 1 or 0, -1, -1, -1
  end
  local tenants, batches = redis.call('ZRANK', key(P, 'ring', q), tenant), nil
  for seg in pairs(segs) do
    local at = redis.call('LPOS', key(P, 'lane', q, tenant), seg, 'MAXLEN', 10000)
    if at and (not batches or at < batches) then batches = at end
  end
  local long = redis.call('LLEN', key(P, 'lane', q, tenant)) > 10000
  return tenants and (batches or long) and 1 or 0, tenants or -1, batches or -1, -1
end
