-- Claims up to want tasks from queues, in their order, but what others of them hold for themselves. A queue stands there as
-- its name, or as {name, most, hold}: at most so many at this place, and so many of want that no other may use; it may stand
-- there again. Returns 1 where there is room left, and there may be ready tasks behind what is left of cancelled batches.
local function claim_queues(P, c, queues, want)
  local holds, held, more, broken = {}, 0, 0, {}
  for _, turn in ipairs(queues) do
    if type(turn) == 'table' and not holds[turn[1]] then
      holds[turn[1]], held = whole(turn[3]), held + whole(turn[3])
    end
  end
  for _, turn in ipairs(queues) do
    local q, most = turn, want
    if type(turn) == 'table' then q, most = turn[1], whole(turn[2]) end
    local hold, empty, before = holds[q] or 0, false, #c.ids -- nil: it is broken, and is looked at again at the next poll
    local room = math.min(most, want - held + hold)
    if broken[q] then empty = nil
    elseif room > 0 then empty = apart(c.broken, 'queue', q, claim_queue, P, c, q, room) end
    local taken = #c.ids - before
    local kept, again = math.min(hold, taken), broken[q] ~= nil
    want, held, broken[q] = want - taken, held - kept, empty == nil
    if kept > 0 then holds[q] = hold - kept end
    if room <= 0 and again then empty = nil -- what there is to say was said at its turn before
    elseif empty == false and redis.call('EXISTS', key(P, 'ring', q), key(P, 'fifo', q)) > 0 then
      wake(P, q)
      if room > taken then more = 1 end
    else
      c.gone[#c.gone + 1] = key(P, 'wake', q)
    end
  end
  return more
end
