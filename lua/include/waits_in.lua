-- Counts n more tasks of a tenant that are delayed in a queue, or dead letters, on the queue's account and on the tenant's. The
-- tenant's can't stop it: tasks are on their way then, and an audit mends it.
local function waits_in(P, q, tenant, field, n)
  redis.call('HINCRBY', key(P, 'q', q), field, n)
  if tenant then redis.pcall('HINCRBY', key(P, 'tq', q, tenant), field, n) end
end
