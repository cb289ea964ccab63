-- Claims up to n tasks of a strict queue by one ticket for so many of a segment; what is left of it goes back to the head of
-- the line, or aside where its tenant has no room. Returns false where nothing behind it may go before it.
local function claim_ticket(P, c, q, seg, tickets, n)
  local line, before, most = key(P, 'fifo', q), #c.ids, math.min(tickets, n)
  local room = c.ruled and apart(c.broken, 'batch', seg, tenants, P, 'ticket', c.us, q, seg, c.known)
  if room and room.free <= 0 then
    tenants(P, 'aside', q, room, seg .. ':' .. tickets)
    limit_passes(c, seg)
    c.visits = c.visits - 3
    return true
  end
  if room then most = math.min(most, room.free) end
  local left, tenant, used
  if limit_of(seg) then
    left, tenant, used = apart(c.broken, 'batch', seg, limits, P, 'claim', c, q, seg, most, tickets)
  else
    left, tenant = apart(c.broken, 'batch', seg, claim_from, P, c, q, seg, most, true)
  end
  used = used or most
  local got = #c.ids - before
  if got > 0 then
    if tenant then redis.pcall('HINCRBY', key(P, 'tq', q, tenant), 'claimed', got) end
    redis.pcall('HINCRBY', key(P, 'q', q), 'claimed', got)
    if room then tenants(P, 'take', c.us, tenant, room, got) end
  end
  if left and tickets > used then
    local rest = seg .. ':' .. (tickets - used)
    if room and room.free <= 0 then
      tenants(P, 'aside', q, room, rest, true)
      limit_passes(c, seg)
    else
      redis.call('LPUSH', line, rest)
    end
  elseif room then -- another of its tickets that was set aside goes on
    apart(c.broken, 'tenant', room.tenant, tenants, P, 'return', c.us, room.tenant)
  end
  return not left or used > 0
end
