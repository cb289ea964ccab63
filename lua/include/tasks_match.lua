-- Which of the tasks that a caller has read are still in their list as they were: {place or "", local id, body, score} each. of: what
-- the caller knows of each by the SHA-1 of its body; ids: their local ids, for delayed and dead ones; from and upto: between which
-- places ready ones are now. Returns also how many entries at the list's head hold just them, or false.
local function tasks_match(P, seg, kind, q, of, ids, from, upto)
  local found, head, others = {}, from == 0 and 0, false
  if kind == 'r' then
    for i, body in ipairs(redis.call('LRANGE', key(P, 'b', seg, 'r', q), from, upto)) do
      local known = body ~= '' and of[redis.sha1hex(body)]
      if known then
        found[#found + 1] = {from + i - 1, string.sub(body, 1, 10), body, '', known}
        head = head and not others and i
      elseif body ~= '' then
        others = true
      end
    end
    return found, head
  end
  local scores = redis.call('ZMSCORE', key(P, 'b', seg, kind, q), unpack(ids))
  local bodies = redis.call('HMGET', key(P, 'b', seg, 'w'), unpack(ids))
  for i, id in ipairs(ids) do
    local body = body_named(string.sub(bodies[i] or '', #q + 2), id)
    local known = of[redis.sha1hex(body)]
    if scores[i] and known then found[#found + 1] = {'', id, body, scores[i], known} end
  end
  return found, false
end
