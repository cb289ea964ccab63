-- Whether a list of a limit's own is in a queue's line; nil where that is too long to be looked through.
local function limit_lined(P, l, q)
  local left, tail = 5000, '!' .. l
  local function among(entries)
    left = left - #entries
    for _, entry in ipairs(entries) do
      local seg = string.match(entry, '^[^:]*')
      if string.sub(seg, -#tail) == tail and redis.call('EXISTS', key(P, 'b', seg, 'r', q)) == 1 then return true end
    end
    return false
  end
  if among(redis.call('LRANGE', key(P, 'fifo', q), 0, left - 1)) then return true end
  for _, tenant in ipairs(redis.call('ZRANGE', key(P, 'ring', q), 0, 999)) do
    if left > 0 and among(redis.call('LRANGE', key(P, 'lane', q, tenant), 0, left - 1)) then return true end
  end
  if left <= 0 or redis.call('ZCARD', key(P, 'ring', q)) > 1000 then return nil end
  return false
end
