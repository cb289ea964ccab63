-- Drops one of a batch's lists of tasks (kind r, d or x) at cancel or at its end, with what queue,
-- tenant and indexes say of it, and counts what would have run by queue in b.dropped, if that is there. Returns how many tasks
-- it held.
local function drop_list(P, b, seg, kind, q)
  local record, field = key(P, 'b', b.id), 'tombs:' .. seg .. ':' .. q
  local n = list_size(P, seg, kind, q)
  if kind == 'r' then n = n - (redis.call('HGET', record, field) or 0) end
  if kind == 'r' then limit_drop(P, seg, q) end
  redis.call('UNLINK', key(P, 'b', seg, kind, q))
  if kind ~= 'x' and b.dropped then b.dropped[q] = (b.dropped[q] or 0) + n end
  if kind == 'r' then
    redis.call('HDEL', record, field)
    if n > 0 then unready(P, q, b.tenant, n) end
  elseif kind == 'd' then
    redis.call('ZREM', key(P, 'delayed'), seg .. ':' .. q)
    if n > 0 then waits_in(P, q, b.tenant, 'delayed', 0 - n) end
  else
    redis.call('ZREM', key(P, 'dead', q), b.id)
    if n > 0 then waits_in(P, q, b.tenant, 'dead', 0 - n) end
  end
  return n
end
