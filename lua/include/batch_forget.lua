-- Deletes one settled batch whose time has come, or dead letters or records of an open one; member is its entry in the index
-- of what has settled. One whose cancelled tasks still run is put off. Returns what it cost, and whether more of it is due.
local function batch_forget(P, now_ms, member, retention)
  local settled = key(P, 'settled')
  local batch, q = string.match(member, '^([^:]+):?(.*)$')
  local b = redis.call('HMGET', key(P, 'b', batch), 'tenant', 'zombies', 'idem')
  if q ~= '' then
    local n
    if q == '+' then n = records_prune(P, batch, now_ms - retention) else n = open_prune(P, batch, q, now_ms - retention) end
    return 10 * n, n == 50
  end
  if whole(b[2]) > 0 then
    redis.call('ZADD', settled, now_ms - retention + math.max(1000, math.min(retention, 60000)), batch)
    return 0
  end
  if redis.call('ZCARD', key(P, 'b', batch, 'recs')) > 500 then return records_drop(P, batch), true end
  local keys = 0
  redis.call('ZREM', settled, batch)
  if b[1] then
    local _, looked, records = batch_drop(P, {id = batch, tenant = b[1]}, now_ms)
    if records then looked = looked + records_drop(P, batch) end
    redis.call('ZREM', key(P, 'tb', b[1]), batch)
    keys = looked
  end
  local made = b[3] and redis.pcall('GET', key(P, 'idem', b[3]))
  if made == batch or type(made) == 'table' then redis.call('DEL', key(P, 'idem', b[3])) end -- or a purge has let another have it
  redis.call('UNLINK', key(P, 'b', batch), key(P, 'b', batch, 'c'), key(P, 'b', batch, 'a'))
  return keys
end
