-- Makes a segment's staged tasks claimable and due: the step in which they become visible.
-- sizes: {kind, queue, n}, one for each of its lists, as include/queue_room.lua leaves them. Returns how many tasks there are.
local function reveal(P, tenant, batch, seg, sizes)
  local total, live, later = 0, {}, false
  for _, size in ipairs(sizes) do
    local kind, q, n = size[1], size[2], size[3]
    if kind == 'r' then
      ready(P, q, tenant, seg, n, (size.length or list_size(P, seg, 'r', q)) == n, false, size.line)
      live[#live + 1] = seg .. ':r:' .. q
    elseif kind == 'd' then
      enrol(P, q, tenant)
      redis.call('HINCRBY', key(P, 'q', q), 'delayed', n)
      due_index(P, q, seg)
      live[#live + 1], later = seg .. ':d:' .. q, true
    else
      live[#live + 1] = seg .. ':big'
    end
    if kind ~= 'big' then total = total + n end
  end
  if later then live[#live + 1] = seg .. ':w' end
  if seg ~= batch and #live > 0 then redis.call('SADD', key(P, 'b', batch, 'segs'), unpack(live)) end
  return total
end
