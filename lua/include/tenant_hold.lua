-- Notes that a tenant without room stands out of a queue's line: it returns when one of its tasks ends, when its rate allows
-- it, or when its rules change.
-- Seldom called.
local function tenant_hold(P, q, tenant, room)
  redis.pcall('SADD', key(P, 'out', tenant), q)
  redis.pcall('SADD', key(P, 'out'), tenant)
  if room.at then redis.pcall('ZADD', key(P, 'delayed'), math.ceil(room.at / 1000), '@' .. tenant) end
end
