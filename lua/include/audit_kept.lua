-- Tells where the records of a tenant's open batch aren't listed for pruning, and mends it.
local function audit_kept(P, b, mend, out)
  local first = redis.call('ZRANGE', key(P, 'b', b.id, 'kept'), 0, 0, 'WITHSCORES')[2]
  local noted = redis.call('ZSCORE', key(P, 'settled'), b.id .. ':+')
  if not first or noted and tonumber(noted) <= tonumber(first) then return end
  out[#out + 1] = {'unaged', b.id, '', 0, redis.call('ZCARD', key(P, 'b', b.id, 'kept')), mend and 1 or 0}
  if mend then records_index(P, b.id) end
end
