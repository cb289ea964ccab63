-- Tasks of one of a segment's lists (kind r, d or x), n entries from a place on, but no more than 500 kB or so unless all are
-- wanted: {place, local id, body, score or ""} each, less empty ones; how many entries were looked at; whether that was the end.
local function tasks_page(P, seg, kind, q, first, n, all)
  local out, looked, bytes = {}, 0, 0
  while looked < n and (all or bytes < 500000) do
    local size = math.min(25, n - looked)
    local last, ids, scores, bodies = first + looked + size - 1, {}, {}, nil
    if kind == 'r' then
      bodies = redis.call('LRANGE', key(P, 'b', seg, 'r', q), first + looked, last)
    else
      local found = redis.call('ZRANGE', key(P, 'b', seg, kind, q), first + looked, last, 'WITHSCORES')
      for i = 1, #found, 2 do ids[#ids + 1], scores[#scores + 1] = found[i], found[i + 1] end
      bodies = #ids > 0 and redis.call('HMGET', key(P, 'b', seg, 'w'), unpack(ids)) or {}
    end
    for i, body in ipairs(bodies) do
      local id = ids[i]
      if id then body = body_named(string.sub(body or '', #q + 2), id) end
      if body ~= '' then out[#out + 1] = {first + looked + i - 1, id or string.sub(body, 1, 10), body, scores[i] or ''} end
      bytes = bytes + #body
    end
    looked = looked + #bodies
    if #bodies < size then return out, looked, true end
  end
  return out, looked, false
end
