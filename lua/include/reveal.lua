-- Makes a segment's staged tasks claimable and due: the step in which they become visible.
-- sizes: {kind, queue, n, limit}, one for each of its lists, as include/queue_room.lua leaves them; {"rec", "", n, false, 0,
-- first id} for its records, which make its large payloads stay as well. Returns how many tasks there are.
local function reveal(P, tenant, batch, seg, sizes)
  local total, live, later, records = 0, {}, false, false
  for _, size in ipairs(sizes) do records = records or size[1] == 'rec' end
  for _, size in ipairs(sizes) do
    local kind, q, n = size[1], size[2], size[3]
    if kind == 'r' then
      local part = limit_seg(seg, size[4])
      ready(P, q, tenant, part, n, (size.length or list_size(P, part, 'r', q)) == n, false, size.line)
      if part ~= batch then live[#live + 1] = part .. ':r:' .. q end
    elseif kind == 'd' then
      enrol(P, q, tenant)
      waits_in(P, q, tenant, 'delayed', n)
      due_index(P, q, seg)
      if seg ~= batch then live[#live + 1], later = seg .. ':d:' .. q, true end
    elseif kind == 'rec' then
      if seg ~= batch then redis.call('ZADD', key(P, 'b', batch, 'recs'), 0, (size[6] or '') .. string.sub(seg, 24)) end
    elseif seg ~= batch and not records then
      live[#live + 1] = seg .. ':big'
    end
    if kind == 'r' or kind == 'd' then total = total + n end
  end
  if later then live[#live + 1] = seg .. ':w' end
  if #live > 0 then redis.call('SADD', key(P, 'b', batch, 'segs'), unpack(live)) end
  return total
end
