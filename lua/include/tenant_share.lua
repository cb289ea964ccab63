-- What a tenant at the head of a queue's ring may take by its rules, and what it weighs; a weight that has changed moves it.
-- Seldom called.
local function tenant_share(P, c, q, s)
  local room = tenant_room(P, c.us, q, s.tenant, s.running, c.known)
  if room.weight ~= s.weight then s.score = tenant_weigh(P, q, s.tenant, room.weight) end
  s.room, s.weight = room, room.weight
  s.most = math.max(0, math.min(s.most, room.free))
  return true
end
