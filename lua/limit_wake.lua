-- Lets what waits for the limits of a handler's keys go on if it may, a part of them at a time.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 limit str (digest of the handler's name)
--   3 cursor str (0 at first)
-- Returns: {cursor (0 at the end), broken}; broken: those whose keys can't be used
-- Includes: guard, now, apart, limit_next
-- Cost: O(n × queues) for 100 keys
local slot = KEYS[1]
local P, limit, cursor = ARGV[1], ARGV[2], ARGV[3]
guard(slot)
local _, us = now()
local page, broken = redis.call('SSCAN', key(P, 'waits', limit), cursor, 'COUNT', 100), {}
for _, l in ipairs(page[2]) do apart(broken, 'limit', l, limit_next, P, us, l) end
return {page[1], broken}
