-- The task that has a unique lock, and its segment where that is still being staged; nil when nobody has it, or who had it
-- is gone: its time is over, or its batch has settled, was cancelled or never was.
local function lock_holder(P, now_ms, digest)
  local value = redis.call('HGET', key(P, 'uniq'), digest)
  local task, seg, ends, over = lock_read(value or '')
  if not task or ends and ends <= now_ms then return nil end
  if over then return ends and task end
  local batch = string.sub(task, 1, 22)
  local state = redis.call('HGET', key(P, 'b', batch), 'state')
  if state == 'cancelled' then return nil end
  if (not state or seg ~= batch) and redis.call('EXISTS', key(P, 'b', seg, 'staged')) == 1 then return task, seg end
  if state ~= 'running' and state ~= 'open' then return nil end
  if seg ~= batch and redis.call('SISMEMBER', key(P, 'b', batch, 'a'), seg) == 0 then return nil end
  return task
end
