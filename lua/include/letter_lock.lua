-- Takes the unique lock of a dead letter that is to be ready again. False where another task has it: the letter stays.
local function letter_lock(P, now_ms, b, q, id)
  if not redis.call('ZSCORE', key(P, 'b', b.id, 'x', q), id) then return false end
  local stored = redis.call('HGET', key(P, 'b', b.id, 'w'), id)
  local at = stored and string.find(stored, '\n', 1, true)
  local digest, lasts = body_lock(string.sub(stored or '', (at or 0) + 1))
  if not digest then return true end
  if lock_holder(P, now_ms, digest) then return false end
  redis.call('HDEL', key(P, 'uniq'), digest) -- a full Redis lets this through, and then the next
  locks_take(P, now_ms, b.id, {takes = {{digest, id, lasts}}, robbed = {}}, b.state == 'open')
  if b.state ~= 'open' then redis.call('HSET', key(P, 'b', b.id), 'unique', 1) end
  return true
end
