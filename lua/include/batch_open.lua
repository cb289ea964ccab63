-- Makes a batch whose tasks lie under its keys, and which its tenant counts, visible. An empty one ends at once.
-- continuations: entries as include/fire.lua has them. b.unique: it has noted locks; b.fail_after: as batch_create.lua has it.
local function batch_open(P, now_ms, us, b, label, idem, sizes, queues, continuations)
  local total = reveal(P, b.tenant, b.id, b.id, sizes)
  local record = key(P, 'b', b.id)
  redis.call('HSET', record, 'tenant', b.tenant, 'label', label, 'state', 'running', 'total', total,
    'remaining', total, 'created', string.format('%.0f', us), 'queues', queues)
  if b.unique then redis.call('HSET', record, 'unique', 1) end
  if b.fail_after ~= '' then redis.call('HSET', record, 'fail_after', b.fail_after) end
  if idem ~= '' then
    redis.call('HSET', record, 'idem', idem)
    redis.call('SET', key(P, 'idem', idem), b.id)
  end
  if #continuations > 0 then
    redis.call('RPUSH', key(P, 'b', b.id, 'c'), unpack(continuations))
    b.continuations = fire_weight(continuations)
    redis.call('HSET', record, 'continuations', b.continuations)
  end
  redis.call('ZADD', key(P, 'tb', b.tenant), us, b.id)
  batch_cap(P, b.tenant)
  tenant_add(P, now_ms, b.tenant, total)
  if total == 0 then batch_end(P, now_ms, us, b, 'done') end
end
