-- Lets go of a task's unique lock as the task ends, if it still has it: another's is never touched. That of a task that is
-- done stays until its time is over, if it has one. Nothing that is broken here stops what the task's end does besides.
local function lock_end(P, now_ms, b, task, digest, done)
  local uniq = key(P, 'uniq')
  local value = redis.pcall('HGET', uniq, digest)
  if type(value) ~= 'string' then return end
  local holder, seg, ends, over = lock_read(value)
  if holder ~= task or over then return end
  if done and ends and ends > now_ms then
    redis.call('HSET', uniq, digest, task .. '!:' .. string.format('%.0f', ends))
  else
    redis.call('HDEL', uniq, digest)
    if ends then redis.pcall('ZREM', key(P, 'uniqends'), digest) end
  end
  if b.state == 'open' or redis.pcall('SREM', key(P, 'b', seg, 'u'), digest) ~= 1 or seg == b.id then return end
  if redis.call('EXISTS', key(P, 'b', seg, 'u')) == 0 then redis.pcall('SREM', key(P, 'b', b.id, 'segs'), seg .. ':u') end
end
