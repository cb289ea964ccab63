-- Lets one task wait in its segment until it is due.
local function delay(P, q, tenant, seg, body, due)
  local id = string.sub(body, 1, 10)
  redis.call('ZADD', key(P, 'b', seg, 'd', q), due, id)
  redis.call('HSET', key(P, 'b', seg, 'w'), id, q .. '\n' .. body)
  waits_in(P, q, tenant, 'delayed', 1)
  enrol(P, q, tenant)
  due_index(P, q, seg)
end
