-- Tells of records whose batch is gone, or doesn't know of them, so that nobody would prune them: the first are dropped, the
-- others listed.
local function audit_recorded(P, state, seg, mend, out)
  local batch, records = string.sub(seg, 1, 22), key(P, 'b', seg, 'rec')
  local n, mark = redis.call('HLEN', records), mend and 1 or 0
  if n == 0 then return end
  if not state then
    out[#out + 1] = {'unowned', batch, seg, 0, n, mark, ''}
    if mend then redis.call('UNLINK', records, key(P, 'b', seg, 'big'), key(P, 'b', seg, 'kept'), key(P, 'b', seg, 'recs')) end
    return
  end
  if seg == batch then return end
  for _, member in ipairs(redis.call('ZRANGE', key(P, 'b', batch, 'recs'), 0, 4999)) do
    if string.sub(member, 11) == string.sub(seg, 24) then return end
  end
  out[#out + 1] = {'unlinked', batch, seg, 0, n, mark, ''}
  if mend then redis.call('ZADD', key(P, 'b', batch, 'recs'), 0, '0000000000' .. string.sub(seg, 24)) end
end
