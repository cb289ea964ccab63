-- Lets a segment wait for another one that is being staged and has a lock that it needs; not where that waits for this one in
-- its turn, since neither would ever come to its end: this one gives way.
-- Seldom called.
local function stage_wait(P, seg, other)
  local at = other
  for _ = 1, 20 do
    at = redis.call('HGET', key(P, 'b', at, 'staged'), 'waits')
    if at == seg then return {'crossed'} end
    if not at then break end
  end
  local record = key(P, 'b', seg, 'staged')
  if redis.call('EXISTS', record) == 1 then redis.call('HSET', record, 'waits', other) end
  return {'wait'}
end
