-- Tells those who know in which queue a task is that it has gone to another: its record, and the schedule whose last task it is.
-- before: the body that it had; body: the one it has.
local function task_moved(P, b, before, body, from, to)
  local id = string.sub(body, 1, 10)
  if kept(before) then
    local name = key(P, 'b', b.id, 'rec')
    if redis.call('HEXISTS', name, id) == 0 then
      local member = redis.call('ZREVRANGEBYLEX', key(P, 'b', b.id, 'recs'), '[' .. id .. '~', '-', 'LIMIT', 0, 1)[1]
      if member then name = key(P, 'b', b.id .. '+' .. string.sub(member, 11), 'rec') end
    end
    if redis.call('HEXISTS', name, id) == 1 then redis.call('HSET', name, id, to .. '\n' .. body) end
  end
  local ext = string.sub(body, 11, 11) ~= '.' and body_ext(body)
  if not ext or type(ext.s) ~= 'string' then return end
  local schedule = key(P, 's', string.sub(ext.s, 1, 22))
  if redis.pcall('HGET', schedule, 'task') == b.id .. id .. from then redis.call('HSET', schedule, 'task', b.id .. id .. to) end
end
