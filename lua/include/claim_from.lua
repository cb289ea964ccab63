-- Pops up to n ready tasks of a segment and notes them in the claim c for leasing. Tombstones of cancelled tasks are
-- dropped; a list of nothing else is too, but for a strict queue, whose tickets count them. Returns whether more is left, and
-- the tenant. Once tasks are popped nothing may raise an error.
local function claim_from(P, c, q, seg, n, strict)
  local batch, list = string.sub(seg, 1, 22), key(P, 'b', seg, 'r', q)
  local record, field = key(P, 'b', batch), 'tombs:' .. seg .. ':' .. q
  local b = redis.call('HMGET', record, 'created', 'tenant', field, 'watched', 'since')
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
  claim_note(c, q, batch, b, bodies)
  batch_began(P, c.us, batch, b[5], #bodies)
  if b[4] then changed(P, {id = batch, watched = b[4]}, 3) end
  return size > 0, b[2]
end
