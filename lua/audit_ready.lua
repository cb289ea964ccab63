-- Reads how many ready tasks lists have, and whose they are; lists that are only staged have none.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 asked json ({segment, queue} each, at most 200)
-- Returns: {tenant or "", how many} each
-- Includes: guard
-- Cost: O(n)
local slot = KEYS[1]
local P, asked = ARGV[1], cjson.decode(ARGV[2])
guard(slot)
local out = {}
for _, one in ipairs(asked) do
  local seg, q = one[1], one[2]
  local b = redis.call('HMGET', key(P, 'b', string.sub(seg, 1, 22)), 'tenant', 'tombs:' .. seg .. ':' .. q)
  local staged = redis.call('EXISTS', key(P, 'b', seg, 'staged')) == 1
  out[#out + 1] = {b[1] or '', staged and 0 or redis.call('LLEN', key(P, 'b', seg, 'r', q)) - (b[2] or 0)}
end
return out
