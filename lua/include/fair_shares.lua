-- Shares n claims among the tenants at the head of a queue's ring: each goes to the lowest score, which then rises by what a
-- running task weighs. Where a turn is of several tasks, each gets so many at once first, and those that then get nothing are not
-- looked at. heads: tenant, score, tenant, score...
-- Returns a list as include/fair_account.lua has it.
local function fair_shares(P, c, q, heads, n)
  local shares, waiting, first = {}, {}, 1
  for i = 1, #heads, 2 do
    if n == 0 then break end
    local s = fair_account(P, c, q, heads[i], heads[i + 1])
    shares[#shares + 1] = s
    if c.at_once > 1 and #heads > 2 then s.share = math.min(c.at_once, s.most, n) end
    n = n - s.share
    waiting[#waiting + 1] = {s.score + tau() / s.weight * s.share, s, i}
  end
  if #heads == 2 then
    shares[1].share = math.min(n, shares[1].most)
    return shares
  end
  if c.at_once > 1 and n > 0 then
    table.sort(waiting, function(a, b) return a[1] < b[1] or a[1] == b[1] and a[3] < b[3] end)
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
