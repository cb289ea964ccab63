-- The ready lists in which a batch's tasks may be, as "segment:queue", sorted.
local function task_lists(P, b)
  local lists, queues = {}, {}
  if b.state == 'open' then
    queues = redis.call('SMEMBERS', key(P, 'tqs', b.tenant))
  else
    for q in string.gmatch(redis.call('HGET', key(P, 'b', b.id), 'queues') or '', '%S+') do queues[#queues + 1] = q end
  end
  for _, q in ipairs(queues) do lists[#lists + 1] = b.id .. ':' .. q end
  for _, member in ipairs(redis.call('SMEMBERS', key(P, 'b', b.id, 'segs'))) do
    local seg, q = string.match(member, '^([^:]+):r:(.*)$')
    if seg then lists[#lists + 1] = seg .. ':' .. q end
  end
  table.sort(lists)
  return lists
end
