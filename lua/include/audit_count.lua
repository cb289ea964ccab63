-- Tells where a batch's counters and state don't fit the tasks that wait and run, and mends them.
local function audit_count(P, now_ms, us, b, waiting, running, mend, out)
  local record, there, mark = key(P, 'b', b.id), waiting + running, mend and 1 or 0
  if b.state == 'cancelled' then
    there = 0
    if waiting > 0 then
      out[#out + 1] = {'undropped', b.id, '', 0, waiting, mark}
      if mend then batch_drop(P, b, now_ms) end
    end
    local zombies = tonumber(redis.call('HGET', record, 'zombies') or 0)
    if zombies ~= running then
      out[#out + 1] = {'zombies', b.id, '', zombies, running, mark}
      if mend then redis.call('HSET', record, 'zombies', running) end
    end
  end
  if b.remaining ~= there then
    local how = mend and audit_remaining(P, now_ms, b, there) or ''
    out[#out + 1] = {'remaining', b.id, how, b.remaining, there, mark}
  end
  if there > 0 and (b.state == 'done' or b.state == 'failed') then
    out[#out + 1] = {'asleep', b.id, b.state, 0, there, mark}
    if mend then
      redis.call('HSET', record, 'state', 'running')
      redis.call('HDEL', record, 'ended')
      redis.call('ZREM', key(P, 'settled'), b.id)
      b.state = 'running'
    end
  elseif there == 0 and b.state == 'running' then
    out[#out + 1] = {'unsettled', b.id, '', 0, 0, mark}
    if mend then
      local failed = tonumber(redis.call('HGET', record, 'failed') or 0)
      batch_end(P, now_ms, us, b, failed > 0 and 'failed' or 'done')
    end
  end
end
