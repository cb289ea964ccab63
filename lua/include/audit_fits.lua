-- Whether a batch's counters and state fit the tasks that wait and run.
local function audit_fits(P, b, waiting, running)
  if b.state == 'running' then return b.remaining == waiting + running and b.remaining > 0 end
  if b.state == 'open' then return b.remaining == waiting + running end
  local zombies = tonumber(redis.call('HGET', key(P, 'b', b.id), 'zombies') or 0)
  return b.remaining == 0 and waiting == 0 and running == (b.state == 'cancelled' and zombies or 0)
end
