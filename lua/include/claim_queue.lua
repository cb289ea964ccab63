-- Claims up to n tasks of a queue in its mode. Returns whether nothing is left in its line, if that is known.
local function claim_queue(P, c, q, n)
  local line = redis.call('HMGET', key(P, 'q', q), 'mode', 'virtual', 'claimed')
  if line[1] == 'fifo' then
    claim_fifo(P, c, q, n)
    return false
  end
  local first, empty, held = #c.ids, nil, nil
  for _ = 1, 4 do -- once more where limits have held up some, so that others of this queue go before those of the next
    held, line = c.held, line or redis.call('HMGET', key(P, 'q', q), 'mode', 'virtual', 'claimed')
    empty = claim_fair(P, c, q, n + first - #c.ids, {virtual = whole(line[2]), claimed = whole(line[3])})
    if empty or c.held == held or #c.ids - first >= n then break end
    line = nil
  end
  return empty
end
