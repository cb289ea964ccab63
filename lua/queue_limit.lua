-- Sets how many tasks may wait in a queue, ready or delayed, before further ones are refused; or lifts the limit.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 queue str
--   3 limit str (a whole number; empty: none)
--   4 entry str (for the journal, as include/journal.lua has it); noted where it changes anything
-- Returns: {"ok"}
-- Includes: guard, journal
-- Cost: O(1)
local slot = KEYS[1]
local P, q, limit, entry = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
guard(slot)
local before = redis.call('HGET', key(P, 'q', q), 'limit') or ''
redis.call('HDEL', key(P, 'q', q), 'limit')
if limit ~= '' then redis.call('HSET', key(P, 'q', q), 'limit', limit) end
if before ~= limit then journal(P, entry) end
return {'ok'}
