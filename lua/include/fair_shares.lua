-- Shares n claims among the tenants at the head of a queue's ring: each goes to the lowest score, which then rises by what a
-- running task weighs. heads: tenant, score, tenant, score...
-- Returns a list of {tenant, score, share, ready, weight, most, room}; a tenant whose account says that nothing is
-- ready, or can't be read, gets one look all the same, so that a stale entry leaves the ring. room: where rules hold.
local function fair_shares(P, c, q, heads, n)
  local shares, waiting, first = {}, {}, 1
  for i = 1, #heads, 2 do
    local t = redis.pcall('HMGET', key(P, 'tq', q, heads[i]), 'pushed', 'claimed', 'settled', 'weight')
    local claimed = tonumber(t[2] or 0) or 0
    local s = {tenant = heads[i], score = whole(heads[i + 1]), share = 0, weight = tonumber(t[4] or nil) or 1}
    s.ready, s.running = (tonumber(t[1] or 0) or 0) - claimed, claimed - (tonumber(t[3] or 0) or 0)
    s.most = math.max(1, s.ready)
    if c.ruled and not apart(c.broken, 'tenant', s.tenant, tenants, P, 'share', c.us, q, s) then
      s.most, s.room = 0, {free = 0, rates = {}} -- nobody knows what it may: it stays outside until somebody does
    end
    shares[#shares + 1] = s
    waiting[#waiting + 1] = {s.score, s}
  end
  if #shares == 1 then
    shares[1].share = math.min(n, shares[1].most)
    return shares
  end
  local fresh, again = 1, {}
  while n > 0 do
    local a, b = waiting[fresh], again[first]
    if not a and not b then break end
    local turn = a
    if b and (not a or b[1] < a[1]) then turn, first = b, first + 1 else fresh = fresh + 1 end
    local s = turn[2]
    if s.share < s.most then
      s.share, n = s.share + 1, n - 1
      local score, at = turn[1] + tau() / s.weight, #again + 1
      while at > first and again[at - 1][1] > score do -- of equal weights none is passed
        again[at], at = again[at - 1], at - 1
      end
      again[at] = {score, s}
    end
  end
  return shares
end
