-- The limit for which a list waits, or nil: its own, or for one of many keys that of the task which held it up.
local function limit_holds(P, seg, q)
  local l = limit_of(seg)
  if l and string.sub(l, -1) == '.' then
    l = redis.call('HGET', key(P, 'b', string.sub(seg, 1, 22)), 'held:' .. seg .. ':' .. q) or nil
  end
  return l and redis.call('ZSCORE', key(P, 'park', l, q), seg) and l or nil
end
