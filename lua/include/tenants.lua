-- All that is done by the rules of tenants, by what it is.
-- Seldom called.
local function tenants(P, what, ...)
  if what == 'share' then return tenant_share(P, ...) end
  if what == 'take' then return tenant_take(P, ...) end
  if what == 'hold' then return tenant_hold(P, ...) end
  if what == 'settled' then return tenant_settled(P, ...) end
  if what == 'back' then return tenants_back(P, ...) end
  if what == 'ticket' then return tenant_ticket(P, ...) end
  if what == 'aside' then return tenant_aside(P, ...) end
  if what == 'rests' then return tenant_rests(P, ...) end
  if what == 'room' then return tenant_room(P, ...) end
  if what == 'state' then return rules_of(P, ...).s end
  if what == 'weight' then return weight_of(rules_of(P, ...)) end
  if what == 'weigh' then return tenant_weigh(P, ...) end
  if what == 'refuse' then return tenant_refuse(P, ...) end
  return tenant_return(P, ...)
end
