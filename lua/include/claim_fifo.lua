-- Claims up to n tasks of a strict queue in the order of its tickets, "segment:count"; tickets of
-- cancelled batches are stale and skipped, and so is what is no ticket.
-- Seldom called.
local function claim_fifo(P, c, q, n)
  local first = #c.ids
  while #c.ids - first < n and c.visits > 0 do
    c.visits = c.visits - 1
    local ticket = redis.call('LPOP', key(P, 'fifo', q))
    if not ticket then break end
    local seg, tickets = string.match(ticket, '^(.*):(%d+)$')
    if seg and not claim_ticket(P, c, q, seg, tonumber(tickets), n - #c.ids + first) then break end
  end
end
