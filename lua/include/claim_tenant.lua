-- Claims up to n tasks of one tenant, from its segments in turn. Returns how many, and whether the
-- tenant's lane ran dry.
local function claim_tenant(P, c, q, tenant, n)
  local lane, taken = key(P, 'lane', q, tenant), 0
  while taken < n and c.visits > 0 do
    c.visits = c.visits - 1
    local seg = redis.call('LPOP', lane)
    if not seg then return taken, true end
    local got, left = claim_from(P, c, q, seg, n - taken)
    if left then redis.call('RPUSH', lane, seg) end
    taken = taken + got
  end
  return taken, false
end
