-- What holds for a tenant: w its weight, m how many of its tasks may run at once, i and b its rate (as include/limit_values.lua
-- has them), n how many may wait, p how many bytes one may have, x how many schedules there may be, s its state; q: m, i, b and n of
-- single queues. What is set for itself goes before what is set for its tier, and that before what is set for all; -1 lifts.
-- known: a table that is empty at first, where one script asks for many tenants: what is read once is not read again, and those
-- of whom nothing is said share an answer.
-- Seldom called.
local function rules_of(P, tenant, known)
  known = known or {}
  local rules, name, text = key(P, 'rules'), 't:' .. tenant, nil -- of a wrong type they say nothing
  if known[name] then return known[name] end
  if known.all then
    text = redis.pcall('HGET', rules, name)
  else
    local found = redis.pcall('HMGET', rules, 'all', name)
    known.all, text = rules_said(found[1]), found[2]
  end
  local own = type(text) == 'string'
  if not own and known.plain then return known.plain end
  local said = rules_said(text)
  local r = {q = {}, tier = said.tier, s = type(said.s) == 'string' and said.s or nil}
  rules_join(r, known.all)
  rules_join(r, rules_tier(P, said.tier, known))
  rules_join(r, said)
  known[own and name or 'plain'] = r
  return r
end
