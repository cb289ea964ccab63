-- Pops up to n ready tasks of a segment and notes them in the claim c for leasing. Tombstones of cancelled tasks are
-- dropped; a list of nothing else is too, but for a strict queue, whose tickets count them. What has no id gets one, so that
-- everybody reads the same. Returns whether more is left, and the tenant. Once tasks are popped nothing may raise an error.
local function claim_from(P, c, q, seg, n, strict)
  local batch, list = string.sub(seg, 1, 22), key(P, 'b', seg, 'r', q)
  local record, field = key(P, 'b', batch), 'tombs:' .. seg .. ':' .. q
  local b = redis.call('HMGET', record, 'created', 'tenant', field, 'watched')
  local popped = redis.call('LPOP', list, n)
  if not popped then return false end
  local size, bodies = #popped < n and 0 or redis.call('LLEN', list), popped
  if b[3] then
    bodies = {}
    for _, body in ipairs(popped) do
      if body ~= '' then bodies[#bodies + 1] = body end
    end
    local tombs = redis.pcall('HINCRBY', record, field, #bodies - #popped)
    if tombs == size and (size == 0 or not strict) then
      redis.call('HDEL', record, field)
      redis.call('UNLINK', list)
      size = 0
    end
  end
  if size == 0 and seg ~= batch then redis.pcall('SREM', key(P, 'b', batch, 'segs'), seg .. ':r:' .. q) end
  local ids, leases, run, n_ids, start = c.ids, c.leases, c.run, #c.ids, q .. '\n' .. c.now .. '\n'
  for i, body in ipairs(bodies) do
    if not string.find(body, '^%w%w%w%w%w%w%w%w%w%w.') then
      local id = string.match(body, '^%w%w%w%w%w%w%w%w%w%w') or string.sub(redis.sha1hex(c.token .. ':' .. n_ids + i), 1, 10)
      body = id .. (#body > 10 and string.sub(body, 11) or '?')
      bodies[i] = body
    end
    local id, at = batch .. string.sub(body, 1, 10), 2 * (n_ids + i)
    ids[n_ids + i] = id
    leases[at - 1], leases[at] = c.deadline, id .. c.token
    run[at - 1], run[at] = id, start .. body
  end
  if b[4] then changed(P, {id = batch, watched = b[4]}, 3) end
  if #bodies > 0 then c.out[#c.out + 1] = {q, b[2] or '', batch, b[1] or '0', bodies} end
  return size > 0, b[2]
end
