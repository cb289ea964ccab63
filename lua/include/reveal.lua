-- Makes a segment's staged tasks claimable and due: the step in which they become visible.
-- sizes: {kind, queue, n, limit}, one for each of its lists. Returns how many tasks there are.
local function reveal(P, tenant, batch, seg, sizes)
  local total, live, later = 0, {}, false
  for _, size in ipairs(sizes) do
    local kind, q, n = size[1], size[2], size[3]
    if kind == 'r' then
      local part = limit_seg(seg, size[4])
      ready(P, q, tenant, part, n, (size.length or list_size(P, part, 'r', q)) == n)
      if part ~= batch then live[#live + 1] = part .. ':r:' .. q end
    elseif kind == 'd' then
      enrol(P, q, tenant)
      redis.call('HINCRBY', key(P, 'q', q), 'delayed', n)
      due_index(P, q, seg)
      if seg ~= batch then live[#live + 1], later = seg .. ':d:' .. q, true end
    elseif seg ~= batch then
      live[#live + 1] = seg .. ':big'
    end
    if kind ~= 'big' then total = total + n end
  end
  if later then live[#live + 1] = seg .. ':w' end
  if #live > 0 then redis.call('SADD', key(P, 'b', batch, 'segs'), unpack(live)) end
  return total
end
