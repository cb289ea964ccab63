-- Whether tasks may join a batch: its record and queue names, or why not. A key that was used before
-- answers "ok" without a record.
local function join_check(P, batch, tenant, idem, sizes)
  local b = batch_read(P, batch)
  if not b.state or b.state == 'open' or b.tenant ~= tenant then return nil, {'unknown'} end
  if b.state == 'cancelled' then return nil, {'cancelled'} end
  if idem ~= '' and redis.call('SISMEMBER', key(P, 'b', batch, 'a'), idem) == 1 then return nil, {'ok'} end
  local names = counts_check(key(P, 'b', batch), 'queues', 'total', 'remaining')
  local queues, count = queues_add(names or '', sizes)
  if count > 64 then return nil, {'queues', count} end
  return b, nil, queues
end
