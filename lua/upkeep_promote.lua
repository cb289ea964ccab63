-- Makes delayed tasks ready that are due, in the order in which they fell due. They join the end of the line, but for
-- those that were enqueued with a time already past: these go before all that waits.
-- Moves: delayed → ready
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 limit int (at most 250)
-- Returns: {"ok", how many, now_ms, next due ms, next lease end ms, broken}; broken: what was put off since its keys
--   can't be used
-- Includes: guard, now, apart, promote, put_off, next_due
-- Cost: O(n log delayed) for n tasks, and queues of tenants that rates held up
local slot = KEYS[1]
local P, limit = ARGV[1], tonumber(ARGV[2])
guard(slot)
local now_ms = now()
local left, index, broken, count = limit, key(P, 'delayed'), {}, 0
if not apart(broken, 'the index', 'delayed', redis.call, 'ZCARD', index) then limit, left = 0, 0 end
for _ = 1, limit do
  local member = redis.call('ZRANGEBYSCORE', index, '-inf', now_ms, 'LIMIT', 0, 1)[1]
  if not member or left <= 0 then break end
  local made, cost = apart(broken, 'delayed tasks', member, promote, P, now_ms, member, left)
  if not made then put_off(index, now_ms, member, string.find(member, '^[!@]') or string.find(member, ':', 2, true)) end
  count, left = count + (made or 0), left - math.max(made or 0, cost or 0)
end
local due, ends = next_due(P)
return {'ok', count, string.format('%.0f', now_ms), due, ends, broken}
