-- Drops all tasks of a batch that don't run: ready, delayed and dead ones, in all its segments.
-- Returns how many were ready or delayed.
local function batch_drop(P, b)
  local waiting, segs = 0, key(P, 'b', b.id, 'segs')
  for _, tail in ipairs({'w', 'e', 'big'}) do redis.call('UNLINK', key(P, 'b', b.id, tail)) end
  for q in string.gmatch(redis.call('HGET', key(P, 'b', b.id), 'queues') or '', '%S+') do
    waiting = waiting + drop_list(P, b, b.id, 'r', q) + drop_list(P, b, b.id, 'd', q)
    drop_list(P, b, b.id, 'x', q)
  end
  for _, member in ipairs(redis.call('SMEMBERS', segs)) do
    local seg, kind, q = string.match(member, '^([^:]+):(%a+):?(.*)$')
    if kind == 'r' or kind == 'd' then waiting = waiting + drop_list(P, b, seg, kind, q)
    else redis.call('UNLINK', key(P, 'b', seg, kind)) end
  end
  redis.call('UNLINK', segs)
  return waiting
end
