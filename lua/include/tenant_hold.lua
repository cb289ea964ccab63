-- Notes that a tenant without room stands out of a queue's line: it returns when one of its tasks ends, when its rate allows
-- it, or when its rules change.
-- Seldom called.
local function tenant_hold(P, q, tenant, room)
  local function note(set, member)
    if type(redis.pcall('SADD', set, member)) == 'table' then -- it is of a wrong type
      redis.pcall('UNLINK', set)
      redis.pcall('SADD', set, member)
    end
  end
  note(key(P, 'out', tenant), q)
  note(key(P, 'out'), tenant)
  if not room.at then return end
  for _, rate in ipairs(room.rates) do -- the clock was set back: else the time would be as far ahead at the next look
    if rate.moved then redis.pcall('HSET', key(P, 'tr', rate.place, tenant), 'tat', string.format('%.0f', rate.tat)) end
  end
  redis.pcall('ZADD', key(P, 'delayed'), 'LT', math.ceil(room.at / 1000), '@' .. tenant) -- other queues may be due before
end
