-- Claims up to n tasks of a list whose tasks have a limit, as far as that has room. One that is held up leaves the line and
-- waits for the limit; where there is room left, others that wait go on at the end of the step, as it may be long until this list
-- is reached again; in a strict queue it goes first, and others go on where nothing is left here. rest: how many tickets a strict
-- queue has for it here. Returns as claim_from does, and how many tickets were used.
local function claim_limited(P, c, q, seg, n, rest)
  local l, list = limit_of(seg), key(P, 'b', seg, 'r', q)
  if string.sub(l, -1) == '.' then return claim_mixed(P, c, q, seg, n, rest) end
  local room, before, record = claim_limit(P, c, l), #c.ids, key(P, 'b', string.sub(seg, 1, 22))
  local take, left, tenant = math.min(n, limit_free(room)), nil, nil
  if take > 0 then
    left, tenant = claim_from(P, c, q, seg, take, rest)
    limit_take(P, c.us, l, room, {unpack(c.ids, before + 1)})
  else
    left, tenant = redis.call('EXISTS', list) == 1, redis.call('HGET', record, 'tenant')
  end
  local over, free = rest and rest - take, limit_free(room) > 0
  local waits = left and over == 0 and redis.call('ZSCORE', key(P, 'park', l, q), seg) -- with tickets that came before these
  if rest and (over == 0 or not left) and not waits then redis.call('HDEL', record, 'tickets:' .. seg .. ':' .. q) end
  if free and (not rest or over == 0 or not left) then c.next[l] = true end
  if left and not free then
    if over ~= 0 then limit_park(P, q, seg, l, room, tenant or '', over) end
    return false, tenant, take
  end
  return left, tenant, take
end
