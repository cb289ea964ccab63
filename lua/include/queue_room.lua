-- Whether queues have room for tasks of a tenant, by {kind, queue, n}: nil, or the answer that refuses them, where ready and
-- delayed tasks together would be more than a queue's limit, or the tenant's rules are against it. bytes: the largest task's, or
-- a list of them from its place ``at`` on. Each part gains ``line``, the mode and virtual time of its queue.
local function queue_room(P, sizes, tenant, bytes, at)
  local lines, limited = {}, nil
  for _, size in ipairs(sizes) do
    local q = size[2]
    if q ~= '' then
      local line = lines[q] or redis.call('HMGET', key(P, 'q', q), 'mode', 'virtual', 'limit')
      lines[q], size.line = line, line
      if line[3] then
        limited = limited or {}
        limited[q] = (limited[q] or 0) + size[3]
      end
    end
  end
  for q, more in pairs(limited or {}) do
    local n, limit = redis.call('HMGET', key(P, 'q', q), 'pushed', 'claimed', 'delayed'), tonumber(lines[q][3])
    local waiting = whole(n[1]) - whole(n[2]) + whole(n[3])
    if limit and waiting + more > limit then return {'full', q, limit, waiting, more} end -- what is no number limits nothing
  end
  if redis.call('HEXISTS', key(P, 'm'), 'rules') == 0 then return nil end
  return tenants(P, 'refuse', tenant, sizes, at and largest(bytes, at) or tonumber(bytes) or 0)
end
