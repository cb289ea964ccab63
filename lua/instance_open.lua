-- Notes the schema of the key layout at first use and tells which one it is.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 schema int
-- Returns: {schema, now_ms, paused}
-- Includes: guard, now
-- Cost: O(1)
local slot = KEYS[1]
local P, schema = ARGV[1], ARGV[2]
guard(slot)
local found = redis.call('HGET', key(P, 'm'), 'schema')
if not found then redis.call('HSET', key(P, 'm'), 'schema', schema) end
return {found or schema, string.format('%.0f', (now())), redis.call('HEXISTS', key(P, 'm'), 'paused')}
