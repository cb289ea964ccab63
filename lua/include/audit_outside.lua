-- What is wrong with how a tenant stands out of a queue's line: nil for nothing; set_aside where its tickets lie aside and nobody
-- knows that it stands outside, outside where it has room and nobody waits for its rate, unwoken where nobody would let it return.
local function audit_outside(P, us, q, tenant)
  local aside = redis.call('EXISTS', key(P, 'aside', q, tenant)) == 1
  if redis.call('SISMEMBER', key(P, 'out', tenant), q) == 0 then return aside and 'set_aside' or nil end
  if redis.call('SISMEMBER', key(P, 'out'), tenant) == 0 then return 'unwoken' end
  local n = redis.call('HMGET', key(P, 'tq', q, tenant), 'pushed', 'claimed', 'settled')
  local running = whole(n[2]) - whole(n[3])
  local room = tenants(P, 'room', us, q, tenant, running)
  local strict = redis.call('HGET', key(P, 'q', q), 'mode') == 'fifo'
  local at = us
  for _, rate in ipairs(room.rates) do at = math.max(at, rate_at(room, rate)) end
  local due = #room.rates > 0 and redis.call('ZSCORE', key(P, 'delayed'), '@' .. tenant)
  local awaited = due and tonumber(due) <= math.ceil(at / 1000) -- at half a burst: there is room before
  if room.free > 0 then
    local goes_on = strict and redis.call('EXISTS', key(P, 'fifo', q)) == 1 -- one of its tickets is at the head
    return whole(n[1]) > whole(n[2]) and not goes_on and not awaited and 'outside' or nil
  end
  return room.at and not awaited and 'unwoken' or nil
end
