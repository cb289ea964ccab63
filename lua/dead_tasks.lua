-- Reads a batch's dead letters of a queue, oldest first.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 batch str
--   3 queue str
--   4 skip int
--   5 take int (at most 100)
-- Returns: tenant, batch created_us, state, {id, died ms, body, errors} each
-- Includes: guard, errors_read
-- Cost: O(take)
local slot = KEYS[1]
local P, batch, q, skip, take = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
guard(slot)
local b = redis.call('HMGET', key(P, 'b', batch), 'tenant', 'created', 'state')
local out = {b[1] or '', b[2] or '0', b[3] or ''}
local found = redis.call('ZRANGE', key(P, 'b', batch, 'x', q), skip, skip + take - 1, 'WITHSCORES')
for i = 1, #found, 2 do
  local stored = redis.call('HGET', key(P, 'b', batch, 'w'), found[i]) or ''
  out[#out + 1] = {found[i], found[i + 1], string.sub(stored, #q + 2), errors_read(P, batch, found[i])}
end
return out
