-- Does what claim_mixed has planned: takes tasks off the list's head, claims some and puts others on the lists of their keys.
local function claim_split(P, c, q, seg, b, plan, found)
  local batch, list, rest = string.sub(seg, 1, 22), key(P, 'b', seg, 'r', q), found.rest
  if plan.popped > 0 then redis.call('LPOP', list, plan.popped) end
  if found.tombs > 0 and redis.call('HINCRBY', key(P, 'b', batch), found.field, 0 - found.tombs) == 0 then
    redis.call('HDEL', key(P, 'b', batch), found.field)
  end
  claim_note(c, q, batch, b, plan.taken)
  batch_began(P, c.us, batch, b[4], #plan.taken)
  if b[3] then changed(P, {id = batch, watched = b[3]}, 3) end
  for _, part in ipairs(plan.order) do
    local room, own, n = claim_limit(P, c, part.limit), batch .. '!' .. part.limit, #part.bodies
    limit_take(P, c.us, part.limit, room, part.ids)
    if n > 0 then
      c.moves = c.moves - n
      redis.call('RPUSH', key(P, 'b', own, 'r', q), unpack(part.bodies))
      if part.size == 0 then redis.call('SADD', key(P, 'b', batch, 'segs'), own .. ':r:' .. q) end
      if part.size == 0 or rest and redis.call('ZSCORE', key(P, 'park', part.limit, q), own) then
        pcall(limit_park, P, q, own, part.limit, room, b[2] or '', rest and n) -- tasks are on their way: no error may lose them
      elseif rest then
        ticket(P, q, own, n, true)
      end
    end
  end
  local left = redis.call('EXISTS', list) == 1
  if not left then redis.call('SREM', key(P, 'b', batch, 'segs'), seg .. ':r:' .. q) end
  if left and found.stuck then
    if rest ~= plan.popped then
      limit_park(P, q, seg, found.stuck, claim_limit(P, c, found.stuck), b[2] or '', rest and rest - plan.popped)
    end
    left = false
  end
  return left, b[2], plan.popped
end
