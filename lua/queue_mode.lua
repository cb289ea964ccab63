-- Sets how a queue's tenants share it: fair, by handler time, or fifo, strictly by enqueue time.
-- Only an empty queue changes, since each way keeps its own line of waiting work.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 queue str
--   3 mode str (fair or fifo)
--   4 entry str (for the journal, as include/journal.lua has it)
-- Returns: {"ok"}; {"busy", how many are ready}; {"more"}: call again, the line still holds tickets of tasks
--   that were cancelled
-- Includes: guard, tickets_drop, journal
-- Cost: O(n) for 500 tickets
local slot = KEYS[1]
local P, q, mode, entry = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
guard(slot)
local record = key(P, 'q', q)
local now_mode = redis.call('HGET', record, 'mode') or 'fair'
if now_mode == mode then return {'ok'} end
local counts = redis.call('HMGET', record, 'pushed', 'claimed')
local waiting = (counts[1] or 0) - (counts[2] or 0)
if waiting > 0 then return {'busy', waiting} end
if not tickets_drop(P, q, 500) then return {'more'} end
redis.call('UNLINK', key(P, 'ring', q))
if mode == 'fifo' then redis.call('HSET', record, 'mode', mode) else redis.call('HDEL', record, 'mode') end
journal(P, entry)
return {'ok'}
