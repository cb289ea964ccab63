-- What holds for a tenant: w its weight, m how many of its tasks may run at once, i and b its rate (as include/limit_values.lua
-- has them), n how many may wait, p how many bytes one may have, x how many schedules there may be, s its state; q: m, i, b and n of
-- single queues. What is set for itself goes before what is set for its tier, and that before what is set for all; -1 lifts.
-- Seldom called.
local function rules_of(P, tenant)
  local found = redis.pcall('HMGET', key(P, 'rules'), 'all', 't:' .. tenant) -- of a wrong type it says nothing
  local own = rules_said(found[2])
  local tier = type(own.tier) == 'string' and redis.pcall('HGET', key(P, 'tiers'), own.tier)
  local r = {q = {}, tier = own.tier, s = type(own.s) == 'string' and own.s or nil}
  for _, said in ipairs({rules_said(found[1]), rules_said(tier), own}) do
    rules_join(r, said)
    if type(said.q) == 'table' then
      for q, values in pairs(said.q) do
        r.q[q] = r.q[q] or {}
        if type(values) == 'table' then rules_join(r.q[q], values) end
      end
    end
  end
  return r
end
