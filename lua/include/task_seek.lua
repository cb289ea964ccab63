-- Looks for a ready task: where the order of ids has it on the first call (cursor ""), then from the tails, up to 1,000
-- tasks or 500 kB at a time. Returns {"ready", queue, body, place, segment}; or nil and where to go on, "offset
-- segment:queue", "" at the end. A list is named, not numbered, since others may vanish between two calls.
local function task_seek(P, b, id, cursor)
  local lists, window = task_lists(P, b), 1000
  if cursor == '' then
    for i = 1, math.min(#lists, 64) do
      local seg, q = string.match(lists[i], '^([^:]+):(.*)$')
      local place, body = list_find(key(P, 'b', seg, 'r', q), id)
      if place then return {'ready', q, body, place, seg} end
    end
  end
  local offset, from = string.match(cursor, '^(%d+) (.*)$')
  for _, name in ipairs(lists) do
    if not from or name >= from then
      offset = name == from and tonumber(offset) or 0
      local seg, q = string.match(name, '^([^:]+):(.*)$')
      local list = key(P, 'b', seg, 'r', q)
      local last = redis.call('LLEN', list) - 1 - offset
      repeat
        if window <= 0 then return nil, offset .. ' ' .. name end
        local first = math.max(0, last - 49)
        local bodies = last < 0 and {} or redis.call('LRANGE', list, first, last)
        for i = #bodies, 1, -1 do
          if string.sub(bodies[i], 1, 10) == id then return {'ready', q, bodies[i], first + i - 1, seg} end
          window = window - 1 - math.floor(#bodies[i] / 500)
        end
        window, offset, last = window - 1, offset + #bodies, first - 1
      until last < 0
    end
  end
  return nil, ''
end
