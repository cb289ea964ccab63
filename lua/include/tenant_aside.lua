-- Sets a ticket of a strict queue aside whose tenant has no room, at the end or the head of what was set aside before.
-- Seldom called.
local function tenant_aside(P, q, room, ticket, at_head)
  redis.call(at_head and 'LPUSH' or 'RPUSH', key(P, 'aside', q, room.tenant), ticket)
  tenant_hold(P, q, room.tenant, room)
end
