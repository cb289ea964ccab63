-- Whether queues have room for tasks, by {kind, queue, n}: nil, or the answer that refuses them, where ready and delayed tasks
-- together would be more than a queue's limit. Each part gains ``line``, the mode and virtual time of its queue.
local function queue_room(P, sizes)
  local lines = {}
  for _, size in ipairs(sizes) do
    local q = size[2]
    if size[1] ~= 'big' then
      local line = lines[q] or redis.call('HMGET', key(P, 'q', q), 'mode', 'virtual', 'limit', 'pushed', 'claimed', 'delayed')
      lines[q], line.more, size.line = line, (line.more or 0) + size[3], line
    end
  end
  for _, size in ipairs(sizes) do
    local line = size.line
    local limit = line and tonumber(line[3] or nil) -- one that is no number limits nothing
    if limit then
      local waiting = whole(line[4]) - whole(line[5]) + whole(line[6])
      if waiting + line.more > limit then return {'full', size[2], limit, waiting, line.more} end
    end
  end
  return nil
end
