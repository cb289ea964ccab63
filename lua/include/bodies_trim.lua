-- Drops the bodies of a segment that no delayed or dead task has.
local function bodies_trim(P, seg, lists)
  local bodies = key(P, 'b', seg, 'w')
  for _, id in ipairs(redis.call('HKEYS', bodies)) do
    local owned = false
    for _, list in ipairs(lists) do
      if list.seg == seg and list.kind ~= 'r' and redis.call('ZSCORE', key(P, 'b', seg, list.kind, list.queue), id) then
        owned = true
      end
    end
    if not owned then redis.call('HDEL', bodies, id) end
  end
end
