-- Adds n tasks of a segment to the end or the head of a strict queue's line.
-- Seldom called.
local function ticket(P, q, seg, n, at_head)
  local line = key(P, 'fifo', q)
  if at_head then
    redis.call('LPUSH', line, seg .. ':' .. n)
    return
  end
  local last = redis.call('LINDEX', line, -1)
  local owner, count = string.match(last or '', '^(.*):(%d+)$')
  if owner == seg then
    redis.call('LSET', line, -1, seg .. ':' .. (count + n))
  else
    redis.call('RPUSH', line, seg .. ':' .. n)
  end
end
