-- Tells where a segment's delayed tasks aren't known to be due, so that nobody promotes them, and mends it.
local function audit_due(P, seg, q, mend, out)
  local first = redis.call('ZRANGE', key(P, 'b', seg, 'd', q), 0, 0, 'WITHSCORES')[2]
  local noted = redis.call('ZSCORE', key(P, 'delayed'), seg .. ':' .. q)
  if noted and tonumber(noted) == tonumber(first) then return end
  out[#out + 1] = {'undue', string.sub(seg, 1, 22), q, 0, list_size(P, seg, 'd', q), mend and 1 or 0, ''}
  if mend then due_index(P, q, seg) end
end
