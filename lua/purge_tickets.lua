-- Takes a tenant's name off tickets of a strict queue that its cancelled tasks have left, from the end of the line: empty ones stay,
-- which claims skip.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it)
--   3 tenant str
--   4 queue str
--   5 skip int (so many at the end were looked at)
-- Returns: {"ok", how many, how many were looked at}; {"stale"}
-- Includes: guard, ledger_find, ledger_keep
-- Cost: O(n) for 500 tickets
local slot = KEYS[1]
local P, call, tenant, q, skip = ARGV[1], cjson.decode(ARGV[2]), ARGV[3], ARGV[4], tonumber(ARGV[5])
guard(slot)
local known = ledger_find(P, call)
if known then return known end
local line, of, count = key(P, 'fifo', q), {}, 0
local found = redis.call('LRANGE', line, -skip - 500, -skip - 1)
redis.call('ZREM', key(P, 'cx'), '') -- the first write, which a full Redis lets through
for i, ticket in ipairs(found) do
  local seg = string.match(ticket, '^[^:]+')
  local batch = string.sub(seg or '', 1, 22)
  if seg and of[batch] == nil then of[batch] = redis.call('HGET', key(P, 'b', batch), 'tenant') end
  if seg and of[batch] == tenant then
    redis.call('LSET', line, i - #found - skip - 1, '')
    count = count + 1
  end
end
return ledger_keep(P, call, {'ok', count, #found})
