-- The lists of tasks that a batch can have, as its record, its tenant and its segments name them: {seg, kind, queue, size,
-- tombs}, tombs being what of a ready list's size is left of cancelled tasks.
local function batch_lists(P, b)
  local lists, record = {}, key(P, 'b', b.id)
  local function add(seg, kind, q)
    local tombs = kind == 'r' and redis.call('HGET', record, 'tombs:' .. seg .. ':' .. q) or 0
    lists[#lists + 1] = {seg = seg, kind = kind, queue = q, size = list_size(P, seg, kind, q), tombs = tonumber(tombs)}
  end
  local queues = {}
  if b.state == 'open' then
    queues = redis.call('SMEMBERS', key(P, 'tqs', b.tenant))
  else
    for q in string.gmatch(redis.call('HGET', record, 'queues') or '', '%S+') do queues[#queues + 1] = q end
  end
  table.sort(queues)
  for _, q in ipairs(queues) do
    for _, kind in ipairs({'r', 'd', 'x'}) do add(b.id, kind, q) end
  end
  for _, member in ipairs(redis.call('SMEMBERS', key(P, 'b', b.id, 'segs'))) do
    local seg, kind, q = string.match(member, '^([^:]+):([rd]):(.*)$')
    if seg then add(seg, kind, q) end
  end
  return lists
end
