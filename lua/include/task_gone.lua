-- Counts one waiting task of a batch as cancelled.
local function task_gone(P, now_ms, us, b, body)
  local record = key(P, 'b', b.id)
  if kept(body) then
    record_end(P, now_ms, b, string.sub(body, 1, 10), 'cancelled', count((body_ext(body) or {}).a))
  end
  forget(P, b.id, body)
  local ext = body_ext(body)
  if ext then task_leave(P, now_ms, b, b.id .. string.sub(body, 1, 10), ext, 'cancelled') end
  redis.call('HINCRBY', record, 'cancelled', 1)
  tenant_settle(P, now_ms, b.tenant, 1, 0, 1)
  if redis.call('HINCRBY', record, 'remaining', -1) == 0 and b.state == 'running' then
    batch_end(P, now_ms, us, b, b.failed > 0 and 'failed' or 'done')
  end
  changed(P, b, 2)
end
