-- How many tasks of a tenant may start now in a queue by its rules: free; rates: the rates that hold, with when their next token
-- is due; at: when there is room again where only a rate holds the tenant up (µs). running: how many run in this queue;
-- known as in include/rules_of.lua.
-- Seldom called.
local function tenant_room(P, us, q, tenant, running, known)
  known = known or {}
  known.sums = known.sums or {}
  local r = rules_of(P, tenant, known)
  local here = r.q[q] or {}
  local room = {free = 1000000, weight = weight_of(r), rates = {}, sums = known.sums}
  if r.s and r.s ~= 'draining' then room.free = 0 end
  local most, all = whole(here.m or -1), whole(r.m or -1)
  if most >= 0 then room.free = math.min(room.free, most - running) end
  if all >= 0 and room.free > 0 then room.free = math.min(room.free, all - tenant_running(P, tenant, q, running, known.sums)) end
  if room.free <= 0 then return room end
  for place, v in pairs({[q] = here, [''] = r}) do
    local i, b = whole(v.i), math.max(1, whole(v.b))
    if i > 0 then
      local kept = whole(redis.pcall('HGET', key(P, 'tr', place, tenant), 'tat'))
      local n, tat = tokens(us, kept, i, b)
      local rate = {place = place, tat = tat, i = i, b = b, left = n, moved = kept > tat}
      room.rates[#room.rates + 1] = rate
      if n <= 0 then room.at = rate_at(room, rate) end
      room.free = math.min(room.free, math.max(0, n))
    end
  end
  return room
end
