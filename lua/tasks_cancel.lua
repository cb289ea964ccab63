-- Cancels tasks of one of a tenant's lists, from its head: each is gone and counted at once.
-- Moves: ready | delayed → cancelled; batch running → done | failed
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it)
--   3 tenant str
--   4 seg str
--   5 kind str (r or d)
--   6 queue str
--   7 first int (the place from which to look: 0, or as the last call told it)
--   8 count int (at most 100)
--   9 entry str (for the journal, as include/journal.lua has it; each call adds to it)
-- Returns: {"ok", how many, where to go on; -1 at the end}; {"unknown"}; {"stale"}
-- Includes: guard, now, ledger_find, ledger_keep, batch_read, counts_check, tasks_page, ready_rid, delayed_rid, task_gone,
--   journal
-- Cost: O(n log delayed) for n tasks
local slot = KEYS[1]
local P, call, tenant, seg, kind, q = ARGV[1], cjson.decode(ARGV[2]), ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local first, count, entry = tonumber(ARGV[7]), math.min(tonumber(ARGV[8]), 100), ARGV[9]
guard(slot)
local known = ledger_find(P, call)
if known then return known end
local b = batch_read(P, string.sub(seg, 1, 22))
if b.tenant ~= tenant or b.state == 'cancelled' or kind ~= 'r' and kind ~= 'd' then return {'unknown'} end
counts_check(key(P, 'b', b.id), 'state', 'remaining', 'cancelled') -- what can't be counted is looked for before anything is taken
counts_check(key(P, 't', tenant), 'hidden', 'remaining', 'cancelled')
counts_check(key(P, 'tq', q, tenant), 'us', 'pushed', 'claimed')
counts_check(key(P, 'q', q), 'mode', 'pushed', 'delayed')
local now_ms, us = now()
local tasks, looked, over = tasks_page(P, seg, kind, q, first, count)
local places = {}
for i, task in ipairs(tasks) do places[i] = kind == 'r' and task[1] or task[2] end
redis.call('ZREM', key(P, 'cx'), '') -- the first write, which a full Redis lets through
local left = kind == 'd'
if kind == 'd' then delayed_rid(P, b, q, seg, places)
elseif looked > 0 then left = ready_rid(P, b, q, seg, places, first == 0 and looked) end
for _, task in ipairs(tasks) do task_gone(P, now_ms, us, b, task[3], q) end
if #tasks > 0 then journal(P, entry, #tasks, true) end
return ledger_keep(P, call, {'ok', #tasks, over and -1 or left and 0 or first + looked})
