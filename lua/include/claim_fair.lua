-- Claims up to n tasks of a queue, shared among its tenants by handler time. line: its virtual time and how many were
-- claimed so far. Returns whether no tenant is left in its ring. A tenant whose keys are broken leaves it.
local function claim_fair(P, c, q, n, line)
  local ring = key(P, 'ring', q)
  local heads = redis.call('ZRANGE', ring, 0, n - 1, 'WITHSCORES')
  if #heads == 0 then return true end
  local shares, first, leave, stay = fair_shares(P, q, heads, n), #c.ids, {}, {}
  for _, s in ipairs(shares) do
    if s.share > 0 then
      local before = #c.ids
      local dry = apart(c.broken, 'tenant', s.tenant, claim_tenant, P, c, q, s.tenant, s.share)
      local taken = #c.ids - before
      if taken > 0 then redis.pcall('HINCRBY', key(P, 'tq', q, s.tenant), 'claimed', taken) end
      if dry ~= false or taken >= s.ready then
        leave[#leave + 1] = s.tenant
        c.gone[#c.gone + 1] = key(P, 'lane', q, s.tenant)
      else
        stay[#stay + 1] = s.score + tau() * taken
        stay[#stay + 1] = s.tenant
      end
    end
  end
  if #leave > 0 then redis.call('ZREM', ring, unpack(leave)) end
  if #stay > 0 then redis.call('ZADD', ring, 'XX', unpack(stay)) end
  local virtual = math.max(line.virtual, shares[1].score - tau() * shares[1].running)
  redis.call('HSET', key(P, 'q', q), 'claimed', string.format('%.0f', line.claimed + #c.ids - first),
    'virtual', string.format('%.0f', virtual))
  return #leave == #shares and #shares < n
end
