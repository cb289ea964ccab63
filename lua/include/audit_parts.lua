-- Tells where a batch lists appended parts that are empty, and where it keeps more or fewer bodies than it has delayed and
-- dead tasks; bodies that no task has are dropped.
local function audit_parts(P, b, lists, mend, out)
  local segs, needed = key(P, 'b', b.id, 'segs'), {[b.id] = 0}
  for _, list in ipairs(lists) do
    if list.kind ~= 'r' then needed[list.seg] = (needed[list.seg] or 0) + list.size end
  end
  for _, member in ipairs(redis.call('SMEMBERS', segs)) do
    local seg, kind, q = string.match(member, '^([^:]+):(%a+):?(.*)$')
    local size = kind == 'w' and redis.call('HLEN', key(P, 'b', seg, 'w')) or list_size(P, seg, kind, q)
    if size == 0 then
      out[#out + 1] = {'emptied', b.id, member, 0, 0, mend and 1 or 0}
      if mend then redis.call('SREM', segs, member) end
    end
    if kind == 'w' then needed[seg] = needed[seg] or 0 end
  end
  for seg, n in pairs(needed) do
    local bodies = redis.call('HLEN', key(P, 'b', seg, 'w'))
    if bodies > n then
      local mark = bodies > 5000 and 2 or mend and 1 or 0
      out[#out + 1] = {'bodies', b.id, seg, bodies, n, mark}
      if mark == 1 then bodies_trim(P, seg, lists) end
    elseif bodies < n then
      out[#out + 1] = {'bodiless', b.id, seg, n, bodies, 2}
    end
  end
end
