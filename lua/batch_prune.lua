-- Deletes batches that settled longer ago than the retention, with all that belongs to them, and old
-- dead letters of the tenants' open batches. One whose cancelled tasks still run is left for later.
-- Moves: failed → gone
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 retention int (ms)
--   3 limit int (at most 100)
-- Returns: {"ok", how many were dealt with, how many were due: fewer are dealt with where they have many keys}
-- Includes: guard, now, batch_drop, open_prune
-- Cost: O(n × queues) for n batches, 2,000 keys or so at most
local slot = KEYS[1]
local P, retention, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
guard(slot)
local now_ms = now()
local settled, done, budget = key(P, 'settled'), 0, 2000
local members = redis.call('ZRANGEBYSCORE', settled, '-inf', now_ms - retention, 'LIMIT', 0, limit)
redis.call('ZREM', settled, '') -- the first write, which a full Redis lets through
for _, member in ipairs(members) do
  if budget <= 0 then break end
  done = done + 1
  local batch, q = string.match(member, '^([^:]+):?(.*)$')
  local b = redis.call('HMGET', key(P, 'b', batch), 'tenant', 'zombies', 'idem')
  if q ~= '' then
    budget = budget - 10 * open_prune(P, batch, q, now_ms - retention)
  elseif tonumber(b[2] or 0) > 0 then
    redis.call('ZADD', settled, now_ms - retention + math.max(1000, math.min(retention, 60000)), batch)
  else
    redis.call('ZREM', settled, batch)
    if b[1] then
      local _, keys = batch_drop(P, {id = batch, tenant = b[1]})
      redis.call('ZREM', key(P, 'tb', b[1]), batch)
      budget = budget - keys
    end
    if b[3] then redis.call('DEL', key(P, 'idem', b[3])) end
    redis.call('UNLINK', key(P, 'b', batch), key(P, 'b', batch, 'c'), key(P, 'b', batch, 'a'))
  end
  budget = budget - 8
end
return {'ok', done, #members}
