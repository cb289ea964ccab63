-- Lets tenants whose tasks have ended return to the lines out of which they stand, where they have room again.
-- Seldom called.
local function tenant_settled(P, us, runs, broken)
  local names, seen = {}, {}
  for _, r in pairs(runs) do
    if not seen[r.tenant] then names[#names + 1], seen[r.tenant] = r.tenant, true end
  end
  if #names == 0 then return end
  for i, outside in ipairs(redis.call('SMISMEMBER', key(P, 'out'), unpack(names))) do
    if outside == 1 then apart(broken, 'tenant', names[i], tenant_return, P, us, names[i]) end
  end
end
