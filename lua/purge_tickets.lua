-- Takes a tenant's name off tickets of a strict queue that its cancelled tasks have left, from the end of the line: empty ones stay,
-- which claims skip. Lists of nothing but such tasks go with their tickets; those of tasks that are ready keep them.
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
-- Includes: guard, whole, ledger_find, ledger_keep, ticket_list
-- Cost: O(n) for 500 tickets
local slot = KEYS[1]
local P, call, tenant, q, skip = ARGV[1], cjson.decode(ARGV[2]), ARGV[3], ARGV[4], tonumber(ARGV[5])
guard(slot)
local known = ledger_find(P, call)
if known then return known end
local line, stale, empty, count = key(P, 'fifo', q), {}, {}, 0
local found = redis.call('LRANGE', line, -skip - 500, -skip - 1)
redis.call('ZREM', key(P, 'cx'), '') -- the first write, which a full Redis lets through
local function is_stale(seg)
  local batch = key(P, 'b', string.sub(seg, 1, 22))
  if redis.call('HGET', batch, 'tenant') ~= tenant then return false end
  local size, tombs = redis.call('LLEN', key(P, 'b', seg, 'r', q)), whole(redis.call('HGET', batch, 'tombs:' .. seg .. ':' .. q))
  if size > tombs then return false end
  if size > 0 then empty[#empty + 1] = seg end
  return true
end
for i, ticket in ipairs(found) do
  local seg = string.match(ticket, '^[^:]+')
  if seg and stale[seg] == nil then stale[seg] = is_stale(seg) end
  if seg and stale[seg] then
    redis.call('LSET', line, i - #found - skip - 1, '')
    count = count + 1
  end
end
for _, seg in ipairs(empty) do ticket_list(P, q, seg) end -- at last, since what waited for the same limit goes back in line
return ledger_keep(P, call, {'ok', count, #found})
