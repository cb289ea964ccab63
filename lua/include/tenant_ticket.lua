-- What the tenant of a strict queue's ticket may take by its rules: as include/tenant_room.lua has it, with the tenant; nil
-- where nobody knows whose it is.
-- Seldom called.
local function tenant_ticket(P, us, q, seg, known)
  local tenant = redis.call('HGET', key(P, 'b', string.sub(seg, 1, 22)), 'tenant')
  if not tenant then return nil end
  local n = redis.call('HMGET', key(P, 'tq', q, tenant), 'claimed', 'settled', 'probe')
  local room = tenant_room(P, us, q, tenant, whole(n[1]) - whole(n[2]), known)
  room.tenant = tenant
  if n[3] then redis.pcall('HDEL', key(P, 'tq', q, tenant), 'probe') end
  return room
end
