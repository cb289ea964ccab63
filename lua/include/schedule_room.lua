-- How many schedules a tenant may have, and has, where there is no room for another; nil where there is. What is set for the
-- tenant goes before what its rules say, and that before what is set for all.
local function schedule_room(P, tenant)
  local limits, n = redis.call('HMGET', key(P, 'slimits'), 't' .. tenant, 'all'), redis.call('ZCARD', key(P, 'ts', tenant))
  local ruled = redis.call('HEXISTS', key(P, 'm'), 'rules') == 1 and rules_of(P, tenant).x or nil
  local limit = tonumber(limits[1] or ruled or limits[2] or nil)
  if limit and limit >= 0 and n >= limit then return limit, n end
end
