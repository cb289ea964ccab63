-- Tells where a tenant with ready tasks isn't in a queue's ring, or is there without any, or stands in a line of the other
-- mode, and mends it. held: how many of its ready tasks wait for limits, in no line.
local function audit_place(P, a, ready, held, mend, out)
  local q, mark = a.queue, mend and 1 or 0
  local ring, lane = key(P, 'ring', q), key(P, 'lane', q, a.tenant)
  local inside = redis.call('ZSCORE', ring, a.tenant)
  local laned = redis.call('EXISTS', lane) == 1
  local line = redis.call('HMGET', key(P, 'q', q), 'mode', 'virtual')
  if line[1] ~= 'fifo' and ready > 0 then
    if inside or held >= ready or redis.call('SISMEMBER', key(P, 'out', a.tenant), q) == 1 then return end
    out[#out + 1] = {'unringed', q, a.tenant, 0, ready, mark}
    if mend then
      ring_enter(P, q, a.tenant, tonumber(line[2] or 0))
      wake(P, q)
    end
  elseif inside or laned then
    out[#out + 1] = {inside and 'workless' or 'leftover', q, a.tenant, 0, 0, mark}
    if mend then
      redis.call('ZREM', ring, a.tenant)
      redis.call('UNLINK', lane)
    end
  end
end
