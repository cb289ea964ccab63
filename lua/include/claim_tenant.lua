-- Claims up to n tasks of one tenant, from its segments in turn. Cancelled batches leave stale entries in the lane;
-- 50 of them at most are passed over, so that one tenant's don't hold up the others. Returns how many were claimed, and
-- whether the lane ran dry.
local function claim_tenant(P, c, q, tenant, n)
  local lane, taken = key(P, 'lane', q, tenant), 0
  for _ = 1, math.min(n + 50, c.visits) do
    if taken >= n then break end
    c.visits = c.visits - 1
    local seg = redis.call('LPOP', lane)
    if not seg then return taken, true end
    local got, left = claim_from(P, c, q, seg, n - taken)
    if left then redis.call('RPUSH', lane, seg) end
    taken = taken + got
  end
  return taken, false
end
