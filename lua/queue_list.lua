-- Lists the names of queues in use.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
-- Returns: names, sorted
-- Includes: guard
-- Cost: O(queues log queues)
local slot = KEYS[1]
local P = ARGV[1]
guard(slot)
local names = redis.call('SMEMBERS', key(P, 'queues'))
table.sort(names)
return names
