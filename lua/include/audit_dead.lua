-- Tells where a batch's dead letters aren't listed, so that nobody finds or prunes them, and mends it.
local function audit_dead(P, state, batch, q, mend, out)
  local first = redis.call('ZRANGE', key(P, 'b', batch, 'x', q), 0, 0, 'WITHSCORES')[2]
  local noted = redis.call('ZSCORE', key(P, 'dead', q), batch)
  local aged = state ~= 'open' or redis.call('ZSCORE', key(P, 'settled'), batch .. ':' .. q)
  if noted and aged and tonumber(noted) == tonumber(first) then return end
  out[#out + 1] = {'unfound', batch, q, 0, list_size(P, batch, 'x', q), mend and 1 or 0, ''}
  if mend then dead_index(P, q, batch, state == 'open') end
end
