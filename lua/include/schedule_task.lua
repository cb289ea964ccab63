-- Enqueues a schedule's task for one occurrence, under a local id of the caller's. Returns its id; or nil and why not:
-- "unique" while an equal one or an earlier one is there, "held" by a dead letter, "closed" and "large" by the
-- rules of its tenant, or "full", "room" (of its tenant) and "wait", which pass.
local function schedule_task(P, now_ms, us, s, due, seed, task, holds)
  if holds and s.unique and #s.task > 32 then
    local letters = key(P, 'b', string.sub(s.task, 1, 22), 'x', string.sub(s.task, 33))
    if redis.call('ZSCORE', letters, string.sub(s.task, 23, 32)) then return nil, 'held' end
  end
  s.body = s.body or redis.call('HGET', key(P, 's', s.sid), 'body')
  local stop = string.find(s.body, '\n', 1, true)
  local head = string.format('{"t":%s,', due) .. string.sub(s.body, 3, stop)
  local ext = cjson.decode(head)
  local list = {'r', s.queue, 1, 0, false, ext.k == 'a' and 1 or 0, ext.u and 1 or 0, limit_all(ext.l)}
  local lists, args = {list}, {task .. '+' .. head .. string.sub(s.body, stop + 1)}
  if #s.body - stop > 8192 then
    lists[2], args = {'big', '', 1, 0}, {task .. '*' .. head, task, string.sub(s.body, stop + 1)}
  end
  local found, refusal = task_put(P, now_ms, us, s.tenant, seed, task, lists, args, 1)
  if not found then return nil, refusal[6] and 'room' or refusal[1] end
  if string.sub(found, 23) ~= task then return nil, 'unique' end
  return found
end
