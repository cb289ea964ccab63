-- Makes delayed tasks ready that are due, in the order in which they fell due. They join the end of the line, but for
-- those that were enqueued with a time already past: these go before all that waits.
-- Moves: delayed → ready
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 limit int (at most 250)
-- Returns: {"ok", how many, now_ms, next due ms, next lease end ms}
-- Includes: guard, now, body_ext, count, push, due_index, segment_shrink, next_due
-- Cost: O(n log delayed) for n tasks
local slot = KEYS[1]
local P, limit = ARGV[1], tonumber(ARGV[2])
guard(slot)
local now_ms = now()
local left, index = limit, key(P, 'delayed')
for _ = 1, limit do
  local member = redis.call('ZRANGEBYSCORE', index, '-inf', now_ms, 'LIMIT', 0, 1)[1]
  if not member or left == 0 then break end
  local seg, q = string.match(member, '^([^:]+):(.*)$')
  local batch, waiting, bodies_key = string.sub(seg, 1, 22), key(P, 'b', seg, 'd', q), key(P, 'b', seg, 'w')
  local due = redis.call('ZRANGEBYSCORE', waiting, '-inf', now_ms, 'WITHSCORES', 'LIMIT', 0, left)
  if #due > 0 then
    local ids = {}
    for i = 1, #due, 2 do ids[#ids + 1] = due[i] end
    local bodies = redis.call('HMGET', bodies_key, unpack(ids))
    local b = redis.call('HMGET', key(P, 'b', batch), 'tenant', 'created')
    redis.call('ZREM', waiting, unpack(ids))
    redis.call('HDEL', bodies_key, unpack(ids))
    redis.call('HINCRBY', key(P, 'q', q), 'delayed', -#ids)
    local heads, tails = {}, {}
    for i, id in ipairs(ids) do
      local body = bodies[i] and string.sub(bodies[i], #q + 2) or id .. '?'
      local ext = body_ext(body) or {}
      local created = count(ext.c)
      if created == 0 then created = (b[2] or 0) / 1000 end
      local list = not ext.d and tonumber(due[2 * i]) < math.floor(created) and heads or tails
      list[#list + 1] = body
    end
    if #heads > 0 then push(P, q, b[1], batch, heads, true) end
    if #tails > 0 then push(P, q, b[1], batch, tails) end
    if seg ~= batch then segment_shrink(P, batch, seg, q) end
    left = left - #ids
  end
  due_index(P, q, seg)
end
local due, ends = next_due(P)
return {'ok', limit - left, string.format('%.0f', now_ms), due, ends}
