-- Sets a ticket of a strict queue aside whose tenant has no room, at the end or the head of what was set aside before. A key of
-- a wrong type is replaced: the ticket is in no line by now.
-- Seldom called.
local function tenant_aside(P, q, room, ticket, at_head)
  local aside, push = key(P, 'aside', q, room.tenant), at_head and 'LPUSH' or 'RPUSH'
  if type(redis.pcall(push, aside, ticket)) == 'table' then
    redis.call('UNLINK', aside)
    redis.call(push, aside, ticket)
  end
  tenant_hold(P, q, room.tenant, room)
end
