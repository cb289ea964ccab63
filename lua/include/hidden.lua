-- The tenant's open batch, which holds its single tasks and all continuations. It is made when it
-- is first needed, or its name can't be read, under an id that follows from the seed, a random id of the caller's.
local function hidden(P, us, tenant, seed)
  local t = key(P, 't', tenant)
  local id = redis.call('HGET', t, 'hidden')
  if id and #id == 22 and not string.find(id, '%W') then return id end
  id = string.sub(redis.sha1hex(seed), 1, 22)
  redis.call('HSET', t, 'hidden', id)
  redis.call('HSET', key(P, 'b', id), 'tenant', tenant, 'state', 'open', 'created',
    string.format('%.0f', us), 'total', 0, 'remaining', 0)
  return id
end
