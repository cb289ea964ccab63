-- Looks for a ready task: at guessed places on the first call (cursor ""), then in windows of 1,000 from the tails.
-- Returns {"ready", queue, body, place, segment}; or nil and where to go on, "offset segment:queue", "" at the end. A list
-- is named, not numbered, since others may vanish between two calls.
local function task_seek(P, b, id, cursor)
  local lists, window = task_lists(P, b), 1000
  if cursor == '' then
    for i = 1, math.min(#lists, 64) do
      local seg, q = string.match(lists[i], '^([^:]+):(.*)$')
      local place, body = list_guess(key(P, 'b', seg, 'r', q), id)
      if place then return {'ready', q, body, place, seg} end
    end
  end
  local offset, from = string.match(cursor, '^(%d+) (.*)$')
  offset = tonumber(offset or 0)
  for _, name in ipairs(lists) do
    if not from or name >= from then
      if name ~= from then offset = 0 end
      if window <= 0 then return nil, offset .. ' ' .. name end
      local seg, q = string.match(name, '^([^:]+):(.*)$')
      local list = key(P, 'b', seg, 'r', q)
      local last = redis.call('LLEN', list) - 1 - offset
      local first = math.max(0, last - window + 1)
      local bodies = last < 0 and {} or redis.call('LRANGE', list, first, last)
      for i = #bodies, 1, -1 do
        if string.sub(bodies[i], 1, 10) == id then return {'ready', q, bodies[i], first + i - 1, seg} end
      end
      window = window - #bodies - 1
      if first > 0 then return nil, offset + #bodies .. ' ' .. name end
    end
  end
  return nil, ''
end
