-- What is set of a tier; nothing where there is none of that name. known as in include/rules_of.lua.
-- Seldom called.
local function rules_tier(P, tier, known)
  if type(tier) ~= 'string' then return {} end
  local name = 'tier ' .. tier
  known[name] = known[name] or rules_said(redis.pcall('HGET', key(P, 'tiers'), tier))
  return known[name]
end
