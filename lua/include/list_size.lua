-- How many tasks a segment has under a list of tasks: kind r, d, x, big, rec or u (those with a unique lock).
local function list_size(P, seg, kind, q)
  if kind == 'r' then return redis.call('LLEN', key(P, 'b', seg, 'r', q)) end
  if kind == 'big' or kind == 'rec' then return redis.call('HLEN', key(P, 'b', seg, kind)) end
  if kind == 'u' then return redis.call('SCARD', key(P, 'b', seg, 'u')) end
  return redis.call('ZCARD', key(P, 'b', seg, kind, q))
end
