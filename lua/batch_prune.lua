-- Deletes batches that settled longer ago than the retention, with all that belongs to them, and old
-- dead letters of the tenants' open batches. One whose cancelled tasks still run is left for later.
-- Moves: failed → gone
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 retention int (ms)
--   3 limit int (at most 100)
-- Returns: {"ok", how many were dealt with, how many were due: fewer are dealt with where they have many
--   keys or are due in part, broken}; broken: those that were put off since their keys can't be used
-- Includes: guard, now, apart, batch_forget, put_off
-- Cost: O(n × queues) for n batches, 2,000 keys or so at most
local slot = KEYS[1]
local P, retention, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
guard(slot)
local now_ms = now()
local settled, done, budget, broken = key(P, 'settled'), 0, 2000, {}
local members = redis.call('ZRANGEBYSCORE', settled, '-inf', now_ms - retention, 'LIMIT', 0, limit)
redis.call('ZREM', settled, '') -- the first write, which a full Redis lets through
for _, member in ipairs(members) do
  if budget <= 0 then break end
  local cost, more = apart(broken, 'settled batch', member, batch_forget, P, now_ms, member, retention)
  if not cost then put_off(settled, now_ms - retention, member, string.find(member, '^[^:]')) end
  done, budget = done + (more and 0 or 1), budget - 8 - (cost or 0)
end
return {'ok', done, #members, broken}
