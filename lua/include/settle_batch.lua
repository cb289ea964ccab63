-- Applies one group of a settlement to its batch; returns how many tasks ended, failed and were cancelled.
local function settle_batch(P, now_ms, us, p, entries, stopped)
  local b, record, heads, tails = p.batch, key(P, 'b', p.batch.id), {}, {}
  local live = b.state == 'running' or b.state == 'open'
  if not live then
    for _, other in ipairs(p.others) do settle_leave(P, now_ms, p, other, entries[other[1]], 'cancelled') end
  end
  if not b.state then return 0, 0, 0 end
  redis.call('HINCRBY', record, 'us', p.us)
  if not live then
    redis.call('HINCRBY', record, 'zombies', 0 - #p.members)
    p.ended = {done = 0, failed = 0, cancelled = b.state == 'cancelled' and #p.members or 0, retried = 0}
    return 0, 0, 0
  end
  local count = {done = #p.members - #p.others, failed = 0, cancelled = 0, retried = 0}
  p.ended = count
  for _, other in ipairs(p.others) do
    local ended, body, at_head = settle_task(P, now_ms, p, other, entries[other[1]], stopped[other[1]])
    settle_leave(P, now_ms, p, other, entries[other[1]], ended)
    if not ended and (other[2] == 'retry' or other[2] == 'expired') then count.retried = count.retried + 1 end
    if ended then
      count[ended] = count[ended] + 1
    elseif body then
      local list = at_head and heads or tails
      list[#list + 1] = body
    end
  end
  if #heads > 0 then push(P, p.queue, b.tenant, b.id, heads, true) end
  if #tails > 0 then push(P, p.queue, b.tenant, b.id, tails) end
  local ended = count.done + count.failed + count.cancelled
  if count.failed > 0 then b.failed = redis.call('HINCRBY', record, 'failed', count.failed) end
  if count.cancelled > 0 then redis.call('HINCRBY', record, 'cancelled', count.cancelled) end
  if ended > 0 then b.remaining = redis.call('HINCRBY', record, 'remaining', 0 - ended) end
  if count.failed > 0 and b.state == 'running' and fail_reached(b, b.failed) then
    batch_stop(P, now_ms, us, b)
  elseif ended > 0 and b.remaining == 0 and b.state == 'running' then
    batch_end(P, now_ms, us, b, b.failed > 0 and 'failed' or 'done')
  end
  if b.watched then changed(P, b, 2) end
  return ended, count.failed, count.cancelled
end
