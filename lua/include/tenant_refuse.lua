-- Whether a tenant's rules refuse tasks: nil, or the answer: {"closed", state} while it takes no new ones, {"large", limit,
-- bytes} for one that is too large, or what include/queue_room.lua has with "tenant" behind it, the queue being empty where it
-- is the limit of all its queues. sizes: {kind, queue, n}; bytes: the largest of the tasks.
-- Seldom called.
local function tenant_refuse(P, tenant, sizes, bytes)
  local r, more, sum = rules_of(P, tenant), {}, 0
  if r.s and r.s ~= 'paused' then return {'closed', tostring(r.s)} end
  if whole(r.p or -1) >= 0 and bytes > whole(r.p) then return {'large', whole(r.p), bytes} end
  for _, size in ipairs(sizes) do
    if size[2] ~= '' then more[size[2]], sum = (more[size[2]] or 0) + size[3], sum + size[3] end
  end
  local function waiting(q)
    local n = redis.call('HMGET', key(P, 'tq', q, tenant), 'pushed', 'claimed', 'delayed')
    return math.max(0, whole(n[1]) - whole(n[2])) + whole(n[3])
  end
  for q, n in pairs(more) do
    local most = whole((r.q[q] or {}).n or -1)
    if most >= 0 and n > 0 and waiting(q) + n > most then return {'full', q, most, waiting(q), n, 'tenant'} end
  end
  local most, all = whole(r.n or -1), 0
  if most < 0 or sum == 0 then return nil end
  for _, q in ipairs(redis.call('SMEMBERS', key(P, 'tqs', tenant))) do all = all + waiting(q) end
  return all + sum > most and {'full', '', most, all, sum, 'tenant'} or nil
end
