-- Claims up to n tasks of one tenant, from its segments in turn. Cancelled batches leave stale entries in the lane;
-- 50 of them at most are passed over, so that one tenant's don't hold up the others. A segment whose keys are broken leaves
-- the lane. Returns whether the lane ran dry.
local function claim_tenant(P, c, q, tenant, n)
  local lane, first = key(P, 'lane', q, tenant), #c.ids
  for _ = 1, math.min(n + 50, c.visits) do
    local taken = #c.ids - first
    if taken >= n then break end
    c.visits = c.visits - 1
    local seg = redis.call('LMOVE', lane, lane, 'LEFT', 'RIGHT')
    if not seg then
      c.short = c.short + 1
      return true
    end
    local left
    if limit_of(seg) then left = apart(c.broken, 'batch', seg, limits, P, 'claim', c, q, seg, n - taken)
    else left = apart(c.broken, 'batch', seg, claim_from, P, c, q, seg, n - taken) end
    if not left then redis.call('RPOP', lane) end
  end
  return false
end
