-- Whether a list waits for its limit, or one of many keys for that of its first task.
local function limit_holds(P, seg, q)
  local l = limit_of(seg)
  if l and string.sub(l, -1) == '.' then l = body_limit(redis.call('LINDEX', key(P, 'b', seg, 'r', q), 0) or '') end
  return l and redis.call('ZSCORE', key(P, 'park', l, q), seg) and l or nil
end
