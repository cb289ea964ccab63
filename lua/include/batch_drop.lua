-- Drops all tasks of a batch that don't run: ready, delayed and dead ones, in all its segments; its unique locks hold
-- nothing from now on. Errors and large payloads stay where the batch has records. Returns how many were ready or delayed, how
-- many keys were looked at, and whether there are records.
local function batch_drop(P, b, now_ms)
  local waiting, keys, segs = 0, 4, key(P, 'b', b.id, 'segs')
  local records = redis.call('EXISTS', key(P, 'b', b.id, 'rec'), key(P, 'b', b.id, 'recs')) > 0
  for _, tail in ipairs(records and {'w'} or {'w', 'e', 'big'}) do redis.call('UNLINK', key(P, 'b', b.id, tail)) end
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
  return waiting, keys, records
end
