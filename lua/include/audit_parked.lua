-- Tells which lists of a queue are noted as waiting for a limit but are gone, and whether nobody would let the others go on:
-- the limit has room and none of its lists is in line, or it has to wait and nobody knows until when.
local function audit_parked(P, us, l, q, mend, out)
  local park, mark, left = key(P, 'park', l, q), mend and 1 or 0, 0
  for _, seg in ipairs(redis.call('ZRANGE', park, 0, 999)) do
    if redis.call('EXISTS', key(P, 'b', seg, 'r', q)) == 1 then left = left + 1
    else
      out[#out + 1] = {'gone', l, q, 0, 0, mark}
      if mend then redis.call('ZREM', park, seg) end
    end
  end
  local name, knows = string.match(l, '^[^.]*'), redis.call('SISMEMBER', key(P, 'park', l), q)
  knows = knows + redis.call('SISMEMBER', key(P, 'held', q), l) + redis.call('SISMEMBER', key(P, 'waits', name), l)
  if left > 0 and knows < 3 then
    out[#out + 1] = {'unheld', l, q, 0, left, mark}
    if mend then
      redis.call('SADD', key(P, 'park', l), q)
      redis.call('SADD', key(P, 'held', q), l)
      redis.call('SADD', key(P, 'waits', name), l)
    end
  end
  if mend then limit_empty(P, q, l) end
  local room = limit_room(P, us, l)
  if left == 0 or room.slots <= 0 or redis.call('ZSCORE', key(P, 'delayed'), '!' .. l) then return end
  local lined = limit_free(room) > 0 and limit_lined(P, l, q)
  if lined == nil then out[#out + 1] = {'unsure', 'line', q}
  elseif not lined then out[#out + 1] = {'forgotten', l, q, 0, left, mark} end
end
