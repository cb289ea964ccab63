-- Claims up to n tasks of a queue in its mode. Returns whether nothing is left in its line, if that is known.
local function claim_queue(P, c, q, n)
  local line = redis.call('HMGET', key(P, 'q', q), 'mode', 'virtual', 'claimed')
  if line[1] == 'fifo' then
    claim_fifo(P, c, q, n)
    return false
  end
  local first, empty = #c.ids, nil
  for _ = 1, 4 do -- again where tenants had less than their share, so that others of this queue go before the next queue
    local short = c.short
    line = line or redis.call('HMGET', key(P, 'q', q), 'mode', 'virtual', 'claimed')
    empty = claim_fair(P, c, q, n + first - #c.ids, {virtual = whole(line[2]), claimed = whole(line[3])})
    if empty or #c.ids - first >= n or c.short == short then break end
    line = nil
  end
  return empty
end
