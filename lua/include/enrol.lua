-- Lists a queue, and a tenant's use of it.
local function enrol(P, q, tenant)
  if redis.call('SADD', key(P, 'tqs', tenant), q) == 1 then
    redis.call('SADD', key(P, 'queues'), q)
    redis.call('HINCRBY', key(P, 'q', q), 'tenants', 1)
  end
end
