-- Puts tasks that were taken out of a list of one kind into the same kind of another queue, in their order, at its end.
-- tasks: {…, local id, body, score} each.
local function tasks_land(P, b, kind, q, tasks)
  local bodies, scores, fields = {}, {}, {}
  for i, task in ipairs(tasks) do
    bodies[i], scores[2 * i - 1], scores[2 * i] = task[3], task[4], task[2]
    fields[2 * i - 1], fields[2 * i] = task[2], q .. '\n' .. task[3]
  end
  enrol(P, q, b.tenant)
  if kind == 'r' then
    push(P, q, b.tenant, b.id, bodies)
    return
  end
  redis.call('ZADD', key(P, 'b', b.id, kind, q), unpack(scores))
  redis.call('HSET', key(P, 'b', b.id, 'w'), unpack(fields))
  if kind == 'd' then
    waits_in(P, q, b.tenant, 'delayed', #tasks)
    due_index(P, q, b.id)
  else
    waits_in(P, q, b.tenant, 'dead', #tasks)
    dead_index(P, q, b.id, b.state == 'open')
  end
end
