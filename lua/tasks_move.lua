-- Moves tasks of one of a tenant's lists to another queue, where they are still as the caller has read them: ready ones to the end of
-- its line, delayed ones with their time, dead letters with theirs.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it)
--   3 tenant str
--   4 seg str
--   5 kind str (r, d or x)
--   6 queue str
--   7 to str (another queue)
--   8 ids json (local ids, at most 100)
--   9 last int (the last place at which ready ones were)
--   10 entry str (for the journal, as include/journal.lua has it; each call adds to it)
--   11 tasks bytes...  (for each of the ids: SHA-1 of the body that was read in hexadecimal, another body or nothing, another large
--      payload or nothing)
-- Returns: {"ok", how many, 1 if they have left the list's head}; {"queues", how many}; {"unknown"}; {"stale"}
-- Includes: guard, ledger_find, ledger_keep, batch_read, counts_check, queues_add, tasks_match, ready_rid, delayed_rid, dead_rid,
--   tasks_land, task_moved, body_ext, journal
-- Cost: O(n log delayed) for n tasks, and 300 places
local slot = KEYS[1]
local P, call, tenant, seg, kind, q = ARGV[1], cjson.decode(ARGV[2]), ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local to, ids, last, entry = ARGV[7], cjson.decode(ARGV[8]), tonumber(ARGV[9]), ARGV[10]
guard(slot)
local known = ledger_find(P, call)
if known then return known end
local b = batch_read(P, string.sub(seg, 1, 22))
if b.tenant ~= tenant or not b.state or b.state == 'cancelled' or to == q then return {'unknown'} end
local names = counts_check(key(P, 'b', b.id), 'queues', 'remaining')
local queues, many = queues_add(names or '', {{kind, to}})
if b.state ~= 'open' and many > 64 then return ledger_keep(P, call, {'queues', many}) end
for _, name in ipairs({q, to}) do -- what can't be counted is looked for before anything is taken
  counts_check(key(P, 'q', name), 'mode', 'pushed', 'delayed', 'dead')
  counts_check(key(P, 'tq', name, tenant), 'us', 'pushed', 'claimed')
end
local of, taken = {}, {}
for i = 11, #ARGV - 2, 3 do of[ARGV[i]] = i end
local tasks, head = tasks_match(P, seg, kind, q, of, ids, math.max(0, last - 299), last)
if #tasks == 0 then return ledger_keep(P, call, {'ok', 0, 0}) end
for i, task in ipairs(tasks) do taken[i] = kind == 'r' and task[1] or task[2] end
redis.call('ZREM', key(P, 'cx'), '') -- the first write, which a full Redis lets through
local left = false
if kind == 'r' then left = ready_rid(P, b, q, seg, taken, head)
elseif kind == 'd' then delayed_rid(P, b, q, seg, taken)
else dead_rid(P, b, q, taken) end
for _, task in ipairs(tasks) do
  local before, body, large = task[3], ARGV[task[5] + 1], ARGV[task[5] + 2]
  if body ~= '' then task[3] = body end
  if large ~= '' then
    local ext = body_ext(task[3]) or {}
    redis.call('HSET', key(P, 'b', ext.g or b.id, 'big'), task[2], large)
  end
  task_moved(P, b, before, task[3], q, to)
end
if b.state ~= 'open' then redis.call('HSET', key(P, 'b', b.id), 'queues', queues) end
tasks_land(P, b, kind, to, tasks)
journal(P, entry, #tasks, true)
return ledger_keep(P, call, {'ok', #tasks, left and 1 or 0})
