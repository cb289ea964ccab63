-- Enqueues a schedule's task now; its next occurrence stays what it is.
-- Moves: – → ready
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it)
--   3 schedule str
--   4 seed str (random: the open batch's id follows from it if there is none yet)
--   5 local str (the task's id within its batch)
--   6 holds int (1: a dead letter of a unique schedule holds it up)
--   7 entry str (for the journal, as include/journal.lua has it)
-- Returns: {"ok", id of the task}; {"unique"} or {"held"}: one of its tasks is there; {"wait"} while an equal unique task is
--   being staged; {"full", queue}; {"unknown"}; {"stale"}
-- Includes: guard, now, ledger_find, ledger_keep, schedule_read, schedule_task, journal
-- Cost: O(log delayed)
local slot = KEYS[1]
local P, call, sid, seed, task = ARGV[1], cjson.decode(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
local holds, entry = ARGV[6] == '1', ARGV[7]
guard(slot)
local known = ledger_find(P, call)
if known then return known end
local s = schedule_read(P, sid)
if not s then return ledger_keep(P, call, {'unknown'}) end
local now_ms, us = now()
local found, refusal = schedule_task(P, now_ms, us, s, string.format('%.0f', now_ms), seed, task, holds)
if refusal == 'wait' then return {refusal} end
if not found then return ledger_keep(P, call, {refusal, s.queue}) end
redis.call('HSET', key(P, 's', sid), 'task', found .. s.queue)
journal(P, entry)
return ledger_keep(P, call, {'ok', found})
