-- Claims up to n tasks of a strict queue in the order of its tickets, "segment:count"; tickets of
-- cancelled batches are stale and skipped, and so is what is no ticket.
-- Seldom called.
local function claim_fifo(P, c, q, n)
  local line, first = key(P, 'fifo', q), #c.ids
  while #c.ids - first < n and c.visits > 0 do
    c.visits = c.visits - 1
    local ticket = redis.call('LPOP', line)
    if not ticket then break end
    local seg, count = string.match(ticket, '^(.*):(%d+)$')
    if seg then
      local before, want = #c.ids, math.min(tonumber(count), n - #c.ids + first)
      local left, tenant, used
      if limit_of(seg) then
        left, tenant, used = apart(c.broken, 'batch', seg, limits, P, 'claim', c, q, seg, want, tonumber(count))
      else
        left, tenant = apart(c.broken, 'batch', seg, claim_from, P, c, q, seg, want, true)
      end
      used = used or want
      if left and tonumber(count) > used then redis.call('LPUSH', line, seg .. ':' .. (count - used)) end
      if left and used == 0 then break end
      local got = #c.ids - before
      if got > 0 then
        if tenant then redis.pcall('HINCRBY', key(P, 'tq', q, tenant), 'claimed', got) end
        redis.pcall('HINCRBY', key(P, 'q', q), 'claimed', got)
      end
    end
  end
end
