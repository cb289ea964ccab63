-- Claims up to n tasks of a queue in its mode. Returns whether nothing is left in its line, if that is known.
local function claim_queue(P, c, q, n)
  local line = redis.call('HMGET', key(P, 'q', q), 'mode', 'virtual', 'claimed')
  if line[1] == 'fifo' then
    claim_fifo(P, c, q, n)
    return false
  end
  return claim_fair(P, c, q, n, {virtual = whole(line[2]), claimed = whole(line[3])})
end
