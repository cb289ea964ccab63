-- A tenant's virtual time in a queue: what it was served and what runs, as its place in the ring has it.
local function limit_turn(P, q, tenant)
  local t = redis.call('HMGET', key(P, 'tq', q, tenant), 'us', 'offset', 'claimed', 'settled', 'weight')
  return whole(t[1]) + whole(t[2]) + tau() / (tonumber(t[5] or nil) or 1) * (whole(t[3]) - whole(t[4]))
end
