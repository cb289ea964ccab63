-- Tells which slots of a limit are of tasks that don't run, so that they would never come back, and frees them.
local function audit_slots(P, l, mend, out)
  local slots = key(P, 'lim', l)
  if redis.call('SCARD', slots) > 20000 then
    out[#out + 1] = {'unsure', 'slots', l}
    return
  end
  for _, task in ipairs(redis.call('SMEMBERS', slots)) do
    if redis.call('HEXISTS', key(P, 'run'), task) == 0 then
      out[#out + 1] = {'slot', l, task, 0, 0, mend and 1 or 0}
      if mend then redis.call('SREM', slots, task) end
    end
  end
  if mend and string.find(l, '.', 1, true) and redis.call('EXISTS', slots) == 0 then
    redis.call('SREM', key(P, 'lims', string.match(l, '^[^.]*')), l)
  end
end
