-- Takes a segment's list of delayed tasks off its batch's record when it has run empty.
local function segment_shrink(P, batch, seg, q)
  local segs = key(P, 'b', batch, 'segs')
  if redis.call('EXISTS', key(P, 'b', seg, 'd', q)) == 0 then redis.call('SREM', segs, seg .. ':d:' .. q) end
  if redis.call('EXISTS', key(P, 'b', seg, 'w')) == 0 then redis.call('SREM', segs, seg .. ':w') end
end
