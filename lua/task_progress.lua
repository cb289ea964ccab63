-- Notes how far a running task has come, in its entry among the running ones, with which it ends; one whose lease is lost
-- changes nothing.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 member bytes (task id and token)
--   3 progress json
-- Returns: {"ok"}; {"lost"}
-- Includes: guard, run_split
-- Cost: O(1)
local slot = KEYS[1]
local P, member, progress = ARGV[1], ARGV[2], ARGV[3]
guard(slot)
local id = string.sub(member, 1, 32)
if not redis.call('ZSCORE', key(P, 'leases'), member) then return {'lost'} end
local q, claimed, body = run_split(redis.call('HGET', key(P, 'run'), id) or '')
if not q then return {'lost'} end
redis.call('HSET', key(P, 'run'), id, string.format('%s\n%.0f %s\n', q, claimed, progress) .. body)
if redis.call('HGET', key(P, 'b', string.sub(id, 1, 22)), 'watched') == '3' then redis.call('PUBLISH', P .. 'changed', id) end
return {'ok'}
