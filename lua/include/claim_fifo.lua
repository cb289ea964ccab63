-- Claims up to n tasks of a strict queue in the order of its tickets, "segment:count"; tickets of
-- cancelled batches are stale and skipped, and so is what is no ticket.
local function claim_fifo(P, c, q, n)
  local line, total = key(P, 'fifo', q), 0
  while total < n and c.visits > 0 do
    c.visits = c.visits - 1
    local ticket = redis.call('LPOP', line)
    if not ticket then break end
    local seg, count = string.match(ticket, '^(.*):(%d+)$')
    if seg then
      local want = math.min(tonumber(count), n - total)
      local got, left, tenant = claim_from(P, c, q, seg, want, true)
      if left and tonumber(count) > want then redis.call('LPUSH', line, seg .. ':' .. (count - want)) end
      if got > 0 then
        redis.call('HINCRBY', key(P, 'tq', q, tenant), 'claimed', got)
        redis.call('HINCRBY', key(P, 'q', q), 'claimed', got)
      end
      total = total + got
    end
  end
  return total
end
