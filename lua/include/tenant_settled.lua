-- Lets tenants whose tasks have ended return to the lines out of which they stand, where they have room again.
-- Seldom called.
local function tenant_settled(P, us, runs, broken)
  local names, sets, seen = {}, {}, {}
  for _, r in pairs(runs) do
    if not seen[r.tenant] then names[#names + 1], sets[#sets + 1], seen[r.tenant] = r.tenant, key(P, 'out', r.tenant), true end
  end
  if #names == 0 or redis.call('EXISTS', unpack(sets)) == 0 then return end
  local found = {}
  for i, set in ipairs(sets) do
    if redis.call('EXISTS', set) == 1 then found[#found + 1] = names[i] end
  end
  tenants_back(P, us, found, broken)
end
