-- Looks for a ready task: at the guessed places on the first call (cursor "0:0"), then in windows of
-- 1,000 from the tails. Returns {"ready", queue, body, place, segment}; or "list:offset" to go on from,
-- "" when there is nowhere left to look.
local function task_seek(P, b, id, cursor)
  local lists, window = task_lists(P, b), 1000
  local at, offset = string.match(cursor, '^(%d+):(%d+)$')
  at, offset = tonumber(at), tonumber(offset)
  if at == 0 then
    for i = 1, math.min(#lists, 64) do
      local seg, q = lists[i][1], lists[i][2]
      local place, body = list_guess(key(P, 'b', seg, 'r', q), id)
      if place then return {'ready', q, body, place, seg} end
    end
    at = 1
  end
  while at <= #lists and window > 0 do
    local seg, q = lists[at][1], lists[at][2]
    local list = key(P, 'b', seg, 'r', q)
    local size = redis.call('LLEN', list)
    local last = size - 1 - offset
    local first = math.max(0, last - window + 1)
    if last >= 0 then
      local bodies = redis.call('LRANGE', list, first, last)
      for i = #bodies, 1, -1 do
        if string.sub(bodies[i], 1, 10) == id then return {'ready', q, bodies[i], first + i - 1, seg} end
      end
      window, offset = window - #bodies, offset + #bodies
    end
    if first == 0 or last < 0 then at, offset, window = at + 1, 0, window - 1 end
  end
  return nil, at <= #lists and at .. ':' .. offset or ''
end
