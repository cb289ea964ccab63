-- Keeps a large result of a running task, apart from the step that will say that it is done; one whose lease is lost
-- changes nothing.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 member bytes (task id and token)
--   3 result bytes
-- Returns: {"ok"}; {"lost"}
-- Includes: guard
-- Cost: O(1)
local slot = KEYS[1]
local P, member, result = ARGV[1], ARGV[2], ARGV[3]
guard(slot)
local batch, id = string.sub(member, 1, 22), string.sub(member, 23, 32)
if not redis.call('ZSCORE', key(P, 'leases'), member) then return {'lost'} end
if redis.call('HEXISTS', key(P, 'b', batch), 'state') == 0 then return {'lost'} end
redis.call('HSET', key(P, 'b', batch, 'rec'), id .. 'r', result)
return {'ok'}
