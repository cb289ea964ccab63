-- Tells where a ready list is in no line, so that nobody claims its tasks, and puts it at the end.
local function audit_line(P, tenant, seg, q, mend, out)
  local batch = string.sub(seg, 1, 22)
  local size = list_size(P, seg, 'r', q)
  local n = size - (redis.call('HGET', key(P, 'b', batch), 'tombs:' .. seg .. ':' .. q) or 0)
  if n <= 0 or limit_holds(P, seg, q) then return end
  local line = redis.call('HMGET', key(P, 'q', q), 'mode', 'virtual')
  if line[1] == 'fifo' then
    local waiting, tickets = 0, 0
    for _, name in ipairs({key(P, 'fifo', q), key(P, 'aside', q, tenant)}) do
      waiting = waiting + redis.call('LLEN', name)
      for _, ticket in ipairs(redis.call('LRANGE', name, 0, 4999)) do
        local owner, count = string.match(ticket, '^(.*):(%d+)$')
        if owner == seg then tickets = tickets + count end
      end
    end
    if tickets >= n then return end
    if waiting > 5000 then
      out[#out + 1] = {'unsure', 'line', q}
      return
    end
    out[#out + 1] = {'unlined', batch, q, tickets, n, mend and 1 or 0, tenant}
    if mend then ticket(P, q, seg, size - tickets) end
  else
    local lane = key(P, 'lane', q, tenant)
    if redis.call('LPOS', lane, seg, 'MAXLEN', 50000) then return end
    if redis.call('LLEN', lane) > 50000 then
      out[#out + 1] = {'unsure', 'line', q}
      return
    end
    out[#out + 1] = {'unlined', batch, q, 0, n, mend and 1 or 0, tenant}
    if mend then
      redis.call('RPUSH', lane, seg)
      ring_enter(P, q, tenant, tonumber(line[2] or 0))
    end
  end
  if mend then wake(P, q) end
end
