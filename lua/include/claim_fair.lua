-- Claims up to n tasks of a queue, shared among its tenants by handler time. line: its virtual time and how many were
-- claimed so far. Returns whether no tenant is left in its ring. A tenant whose keys are broken leaves it, and so does one that
-- has no room by its rules.
local function claim_fair(P, c, q, n, line)
  if c.visits <= 0 then return false end
  local ring = key(P, 'ring', q)
  local heads = redis.call('ZRANGE', ring, 0, n - 1, 'WITHSCORES')
  if #heads == 0 then return true end
  local shares, first, leave, stay = fair_shares(P, c, q, heads, n), #c.ids, {}, {}
  for _, s in ipairs(shares) do
    local before, dry = #c.ids, false
    if s.share > 0 then dry = apart(c.broken, 'tenant', s.tenant, claim_tenant, P, c, q, s.tenant, s.share) end
    local taken = #c.ids - before
    if taken > 0 then
      redis.pcall('HINCRBY', key(P, 'tq', q, s.tenant), 'claimed', taken)
      if s.room then tenants(P, 'take', c.us, s.tenant, s.room, taken) end
    end
    if s.share > 0 and (dry ~= false or taken >= s.ready) then
      leave[#leave + 1] = s.tenant
      c.gone[#c.gone + 1] = key(P, 'lane', q, s.tenant)
    elseif s.room and s.room.free <= 0 then
      leave[#leave + 1], c.short = s.tenant, c.short + 1
      if taken == 0 then c.visits = c.visits - 4 end -- as much as so many lists
      tenants(P, 'hold', q, s.tenant, s.room)
      for _, seg in ipairs(redis.pcall('LRANGE', key(P, 'lane', q, s.tenant), 0, 99)) do limit_passes(c, seg) end
    elseif s.share > 0 then
      stay[#stay + 1] = math.floor(s.score + tau() / s.weight * taken)
      stay[#stay + 1] = s.tenant
    end
  end
  if #leave > 0 then redis.call('ZREM', ring, unpack(leave)) end
  if #stay > 0 then redis.call('ZADD', ring, 'XX', unpack(stay)) end
  local virtual = math.max(line.virtual, shares[1].score - tau() / shares[1].weight * shares[1].running)
  redis.call('HSET', key(P, 'q', q), 'claimed', string.format('%.0f', line.claimed + #c.ids - first),
    'virtual', string.format('%.0f', virtual))
  return #leave == #heads / 2 and #leave < n
end
