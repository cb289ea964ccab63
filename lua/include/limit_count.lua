-- How many tasks of a handler's limits run and wait, and how many of its keys have any, as far as a budget of looks goes.
local function limit_count(P, name, budget)
  local n, seen, limits = {running = 0, waiting = 0, keys = 0}, {}, {name}
  for _, index in ipairs({key(P, 'lims', name), key(P, 'waits', name)}) do
    local page = redis.call('SSCAN', index, 0, 'COUNT', math.max(1, budget.left))
    for _, l in ipairs(page[2]) do limits[#limits + 1] = l end
  end
  for _, l in ipairs(limits) do
    if not seen[l] and budget.left > 0 then
      seen[l], budget.left = true, budget.left - 1
      n.running = n.running + redis.call('SCARD', key(P, 'lim', l))
      if l ~= name then n.keys = n.keys + 1 end
      for _, q in ipairs(redis.call('SMEMBERS', key(P, 'park', l))) do
        for _, seg in ipairs(redis.call('ZRANGE', key(P, 'park', l, q), 0, math.max(0, budget.left - 1))) do
          local tombs = redis.call('HGET', key(P, 'b', string.sub(seg, 1, 22)), 'tombs:' .. seg .. ':' .. q)
          n.waiting, budget.left = n.waiting + redis.call('LLEN', key(P, 'b', seg, 'r', q)) - (tombs or 0), budget.left - 1
        end
      end
    end
  end
  return n
end
