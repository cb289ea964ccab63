-- Shares n claims among the tenants at the head of a queue's ring: each goes to the lowest score,
-- which then rises by the weight of a running task. heads: tenant, score, tenant, score...
-- Returns a list of {tenant, score, share, ready}; a tenant whose account says that nothing is
-- ready, or can't be read, gets one look all the same, so that a stale entry leaves the ring.
local function fair_shares(P, q, heads, n)
  local shares, waiting, first = {}, {}, 1
  for i = 1, #heads, 2 do
    local t = redis.pcall('HMGET', key(P, 'tq', q, heads[i]), 'pushed', 'claimed', 'settled')
    local claimed = tonumber(t[2] or 0) or 0
    local s = {tenant = heads[i], score = whole(heads[i + 1]), share = 0}
    s.ready, s.running = (tonumber(t[1] or 0) or 0) - claimed, claimed - (tonumber(t[3] or 0) or 0)
    shares[#shares + 1] = s
    waiting[#waiting + 1] = {s.score, s}
  end
  if #shares == 1 then
    shares[1].share = math.max(1, math.min(n, shares[1].ready))
    return shares
  end
  local fresh, again = 1, {}
  while n > 0 do
    local a, b = waiting[fresh], again[first]
    if not a and not b then break end
    local turn = a
    if b and (not a or b[1] < a[1]) then turn, first = b, first + 1 else fresh = fresh + 1 end
    local s = turn[2]
    if s.share < math.max(1, s.ready) then
      s.share, n = s.share + 1, n - 1
      again[#again + 1] = {turn[1] + tau(), s}
    end
  end
  return shares
end
