-- A tenant at the head of a queue's ring: {tenant, score, share, ready, running, weight, most, room}. One whose account says
-- that nothing is ready, or can't be read, gets one look all the same, so that a stale entry leaves the ring. room: where rules hold.
local function fair_account(P, c, q, tenant, score)
  local t = redis.pcall('HMGET', key(P, 'tq', q, tenant), 'pushed', 'claimed', 'settled', 'weight')
  local claimed = tonumber(t[2] or 0) or 0
  local s = {tenant = tenant, score = whole(score), share = 0, weight = tonumber(t[4] or nil) or 1}
  s.ready, s.running = (tonumber(t[1] or 0) or 0) - claimed, claimed - (tonumber(t[3] or 0) or 0)
  s.most = math.max(1, s.ready)
  if c.ruled and not apart(c.broken, 'tenant', tenant, tenants, P, 'share', c, q, s) then
    s.most, s.room = 0, {free = 0, rates = {}} -- nobody knows what it may: it stays outside until somebody does
  end
  return s
end
