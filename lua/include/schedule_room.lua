-- How many schedules a tenant may have, and has, where there is no room for another; nil where there is.
local function schedule_room(P, tenant)
  local limits, n = redis.call('HMGET', key(P, 'slimits'), 't' .. tenant, 'all'), redis.call('ZCARD', key(P, 'ts', tenant))
  local limit = tonumber(limits[1] or limits[2] or nil)
  if limit and n >= limit then return limit, n end
end
