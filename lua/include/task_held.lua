-- Where a task is that is not ready: {"running", queue, entry}, or {"delayed" | "dead", queue, body, score,
-- segment}; nil when it is in neither place.
local function task_held(P, b, id)
  local entry = redis.call('HGET', key(P, 'run'), b.id .. id)
  if entry then return {'running', run_split(entry) or '', entry} end
  local segs = {b.id}
  for _, member in ipairs(redis.call('SMEMBERS', key(P, 'b', b.id, 'segs'))) do
    segs[#segs + 1] = string.match(member, '^([^:]+):w$')
  end
  for _, seg in ipairs(segs) do
    local stored = redis.call('HGET', key(P, 'b', seg, 'w'), id)
    local stop = stored and string.find(stored, '\n', 1, true)
    if stop then
      local q, body = string.sub(stored, 1, stop - 1), string.sub(stored, stop + 1)
      local due = redis.call('ZSCORE', key(P, 'b', seg, 'd', q), id)
      if due then return {'delayed', q, body, due, seg} end
      local died = redis.call('ZSCORE', key(P, 'b', seg, 'x', q), id)
      if died then return {'dead', q, body, died, seg} end
    end
  end
  return nil
end
