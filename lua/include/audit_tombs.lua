-- Counts the empty entries of a batch's ready lists, as far as these are not too long, and tells where the record says
-- otherwise. The lists' own numbers are put right in any case.
local function audit_tombs(P, b, lists, mend, out)
  local budget = 100000
  for _, list in ipairs(lists) do
    if list.kind == 'r' and (list.size > 0 or list.tombs > 0) and list.size <= budget then
      budget = budget - list.size
      local found = redis.call('LPOS', key(P, 'b', list.seg, 'r', list.queue), '', 'COUNT', 0)
      local tombs, field = found and #found or 0, 'tombs:' .. list.seg .. ':' .. list.queue
      if tombs ~= list.tombs then
        out[#out + 1] = {'tombs', b.id, list.queue, list.tombs, tombs, mend and 1 or 0}
        list.tombs = tombs
        if mend and tombs > 0 then redis.call('HSET', key(P, 'b', b.id), field, tombs)
        elseif mend then redis.call('HDEL', key(P, 'b', b.id), field) end
      end
    end
  end
end
