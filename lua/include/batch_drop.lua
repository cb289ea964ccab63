-- Drops all tasks of a batch that don't run: ready, delayed and dead ones, in all its segments; its unique locks hold
-- nothing from now on.
-- Returns how many were ready or delayed, and how many keys were looked at.
local function batch_drop(P, b, now_ms)
  local waiting, keys, segs = 0, 4, key(P, 'b', b.id, 'segs')
  for _, tail in ipairs({'w', 'e', 'big'}) do redis.call('UNLINK', key(P, 'b', b.id, tail)) end
  local about = redis.call('HMGET', key(P, 'b', b.id), 'queues', 'unique')
  if about[2] then locks_drop(P, now_ms, b.id) end
  for q in string.gmatch(about[1] or '', '%S+') do
    waiting = waiting + drop_list(P, b, b.id, 'r', q) + drop_list(P, b, b.id, 'd', q)
    drop_list(P, b, b.id, 'x', q)
    keys = keys + 9
  end
  for _, member in ipairs(redis.call('SMEMBERS', segs)) do
    keys = keys + 3
    local seg, kind, q = string.match(member, '^([^:]+):(%a+):?(.*)$')
    if kind == 'r' or kind == 'd' then waiting = waiting + drop_list(P, b, seg, kind, q)
    elseif kind == 'u' then locks_drop(P, now_ms, seg)
    else redis.call('UNLINK', key(P, 'b', seg, kind)) end
  end
  redis.call('UNLINK', segs)
  return waiting, keys
end
