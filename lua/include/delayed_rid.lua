-- Takes delayed tasks out of a segment, by their local ids.
local function delayed_rid(P, b, q, seg, ids)
  if #ids == 0 then return end
  redis.call('ZREM', key(P, 'b', seg, 'd', q), unpack(ids))
  redis.call('HDEL', key(P, 'b', seg, 'w'), unpack(ids))
  waits_in(P, q, b.tenant, 'delayed', 0 - #ids)
  due_index(P, q, seg)
  if seg ~= b.id then segment_shrink(P, b.id, seg, q) end
end
