-- Enqueues one task that belongs to no batch of the caller's; it joins the tenant's open batch.
-- Moves: – → ready | delayed
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it)
--   3 tenant str
--   4 seed str (random: the open batch's id follows from it if there is none yet)
--   5 idem str (digest of tenant and idempotency key, or empty)
--   6 keep int (ms: how long the idempotency key is remembered, from when the task is due)
--   7 lists json (as include/stage_put.lua has them, one task)
--   8 local str (the task's id within its batch)
--   9 bodies bytes...
-- Returns: {"ok", id of the task, or of the one that is there if it is unique};
--   what include/queue_room.lua refuses with; {"stale"}; {"wait"} while an equal unique task is being staged
-- Includes: guard, now, ledger_find, ledger_keep, lists_check, task_put
-- Cost: O(log delayed)
local slot = KEYS[1]
local P, call, tenant, seed, idem = ARGV[1], cjson.decode(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
local keep, lists, task = tonumber(ARGV[6]), cjson.decode(ARGV[7]), ARGV[8]
guard(slot)
local known = ledger_find(P, call)
if known then return known end
local first = idem ~= '' and redis.call('GET', key(P, 'idem', idem))
if first then return ledger_keep(P, call, {'ok', first}) end
lists_check(lists, #ARGV - 8)
local now_ms, us = now()
local wait = math.max(0, (lists[1][5] or now_ms + lists[1][4]) - now_ms)
local found, refusal = task_put(P, now_ms, us, tenant, seed, task, lists, ARGV, 9)
if refusal and refusal[1] == 'wait' then return refusal end
if refusal then return ledger_keep(P, call, refusal) end
if idem ~= '' then redis.call('SET', key(P, 'idem', idem), found, 'PX', math.max(1, math.ceil(keep + wait))) end
return ledger_keep(P, call, {'ok', found})
