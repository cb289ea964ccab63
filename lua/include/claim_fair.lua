-- Claims up to n tasks of a queue, shared among its tenants by handler time. line: its virtual time and how many were
-- claimed so far. Returns how many are claimed, and whether no tenant is left in its ring.
local function claim_fair(P, c, q, n, line)
  local ring = key(P, 'ring', q)
  local heads = redis.call('ZRANGE', ring, 0, n - 1, 'WITHSCORES')
  if #heads == 0 then return 0, true end
  local shares, total, leave, stay = fair_shares(P, q, heads, n), 0, {}, {}
  for _, s in ipairs(shares) do
    if s.share > 0 then
      local taken, dry = claim_tenant(P, c, q, s.tenant, s.share)
      if taken > 0 then redis.call('HINCRBY', key(P, 'tq', q, s.tenant), 'claimed', taken) end
      if dry or taken >= s.ready then
        leave[#leave + 1] = s.tenant
        c.gone[#c.gone + 1] = key(P, 'lane', q, s.tenant)
      else
        stay[#stay + 1] = s.score + tau() * taken
        stay[#stay + 1] = s.tenant
      end
      total = total + taken
    end
  end
  if #leave > 0 then redis.call('ZREM', ring, unpack(leave)) end
  if #stay > 0 then redis.call('ZADD', ring, 'XX', unpack(stay)) end
  local virtual = math.max(line.virtual, shares[1].score - tau() * shares[1].running)
  redis.call('HSET', key(P, 'q', q), 'claimed', string.format('%.0f', line.claimed + total),
    'virtual', string.format('%.0f', virtual))
  return total, #leave == #shares and #shares < n
end
