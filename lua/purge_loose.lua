-- Deletes what a tenant has in keys of all tenants, and what it is named in by its tasks' ids alone, of what the caller has found.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it)
--   3 tenant str
--   4 kind str (uniq: digests of unique locks; idem: digests of idempotency keys; staging: segments; rate: limits; sum: period, line
--     end and field)
--   5 members bytes...  (at most 250)
-- Returns: {"ok", how many were deleted}; {"stale"}
-- Includes: guard, now, ledger_find, ledger_keep, seg_drop
-- Cost: O(n × queues) for n members
local slot = KEYS[1]
local P, call, tenant, kind = ARGV[1], cjson.decode(ARGV[2]), ARGV[3], ARGV[4]
guard(slot)
local known = ledger_find(P, call)
if known then return known end
local now_ms, count = now(), 0
redis.call('ZREM', key(P, 'uniqends'), '') -- the first write, which a full Redis lets through
local function mine(task)
  return task and redis.call('HGET', key(P, 'b', string.sub(task, 1, 22)), 'tenant') == tenant
end
for i = 5, #ARGV do
  local member, n = ARGV[i], 0
  if kind == 'uniq' and mine(redis.call('HGET', key(P, 'uniq'), member)) then
    redis.call('ZREM', key(P, 'uniqends'), member)
    n = redis.call('HDEL', key(P, 'uniq'), member)
  elseif kind == 'idem' and mine(redis.call('GET', key(P, 'idem', member))) then
    n = redis.call('DEL', key(P, 'idem', member))
  elseif kind == 'staging' and mine(member) then
    seg_drop(P, member, now_ms)
    n = 1
  elseif kind == 'sum' then
    local span, start, field = string.match(member, '^(%w):(%d+)\n(.*)$')
    if string.match(field, '%z(.*)$') == tenant then
      n = redis.call('HDEL', key(P, 'sum', span, start), field)
      redis.call('HINCRBY', key(P, 'sums'), 'entries', 0 - n)
    end
  elseif kind == 'rate' then
    n = redis.call('DEL', key(P, 'rate', member))
  end
  count = count + n
end
return ledger_keep(P, call, {'ok', count})
