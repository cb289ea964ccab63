-- Looks through a part of all leases for those of tasks that are not noted as running; such a lease is dropped once it has
-- run out, since until then its worker may settle the task.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it: mend what is wrong; an empty list: only look)
--   3 cursor str (0 at first)
-- Returns: {cursor (0 at the end), ids of the tasks that are leased}, then {"astray", task, worker, 0, ms that the lease
--   still lasts, 0 | 1 mended | 2 can't be mended yet} for each difference
-- Includes: guard, now, ledger_find, ledger_keep
-- Cost: O(n) for 500 leases
local slot = KEYS[1]
local P, call, cursor = ARGV[1], cjson.decode(ARGV[2]), ARGV[3]
guard(slot)
local mend = #call > 0
local known = mend and ledger_find(P, call)
if known then return known end
local now_ms = now()
local page = redis.call('ZSCAN', key(P, 'leases'), cursor, 'COUNT', 500)
local ids, gone, out = {}, {}, {}
for i = 1, #page[2], 2 do
  local member, left = page[2][i], tonumber(page[2][i + 1]) - now_ms
  local id = string.sub(member, 1, 32)
  ids[#ids + 1] = id
  if redis.call('HEXISTS', key(P, 'run'), id) == 0 then
    local mark = left > 0 and 2 or mend and 1 or 0
    out[#out + 1] = {'astray', id, string.sub(member, 33, 54), 0, string.format('%.0f', math.max(0, left)), mark}
    if mark == 1 then gone[#gone + 1] = member end
  end
end
if #gone > 0 then redis.call('ZREM', key(P, 'leases'), unpack(gone)) end
local reply = {page[1], table.concat(ids), unpack(out)}
return mend and ledger_keep(P, call, reply) or reply
