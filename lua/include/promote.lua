-- Makes up to n due tasks of one segment ready; member is its entry in the index of delayed ones. An entry that begins with an
-- exclamation mark is a limit that may go on, one with an at sign a tenant that its rate held up. Returns how many, and what it
-- cost where that is more. Raises an error where their batch is gone.
local function promote(P, now_ms, member, n)
  if string.sub(member, 1, 1) == '!' then
    redis.call('ZREM', key(P, 'delayed'), member)
    limit_next(P, now_ms * 1000, string.sub(member, 2))
    return 0
  end
  if string.sub(member, 1, 1) == '@' then
    redis.call('ZREM', key(P, 'delayed'), member)
    return 0, tenants(P, 'return', now_ms * 1000, string.sub(member, 2))
  end
  local seg, q = string.match(member, '^([^:]+):(.*)$')
  local batch, waiting, bodies_key = string.sub(seg, 1, 22), key(P, 'b', seg, 'd', q), key(P, 'b', seg, 'w')
  local due = redis.call('ZRANGEBYSCORE', waiting, '-inf', now_ms, 'WITHSCORES', 'LIMIT', 0, n)
  if #due > 0 then
    local ids = {}
    for i = 1, #due, 2 do ids[#ids + 1] = due[i] end
    local bodies = redis.call('HMGET', bodies_key, unpack(ids))
    local b = redis.call('HMGET', key(P, 'b', batch), 'tenant', 'created', 'watched')
    if not b[1] then error('its batch is gone') end
    redis.call('ZREM', waiting, unpack(ids))
    redis.call('HDEL', bodies_key, unpack(ids))
    waits_in(P, q, b[1], 'delayed', 0 - #ids)
    local heads, tails = {}, {}
    for i, id in ipairs(ids) do
      local body = body_named(string.sub(bodies[i] or '', #q + 2), id)
      local ext = body_ext(body) or {}
      local created = count(ext.c)
      if created == 0 then created = whole(b[2]) / 1000 end
      local list = not ext.d and tonumber(due[2 * i]) < math.floor(created) and heads or tails
      list[#list + 1] = body_due(body, ext, math.max(tonumber(due[2 * i]), math.floor(created)))
    end
    if #heads > 0 then push(P, q, b[1], batch, heads, true) end
    if #tails > 0 then push(P, q, b[1], batch, tails) end
    if seg ~= batch then segment_shrink(P, batch, seg, q) end
    changed(P, {id = batch, watched = b[3]}, 3)
  end
  due_index(P, q, seg)
  return #due / 2
end
