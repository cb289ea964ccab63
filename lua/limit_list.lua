-- Reads all limits, how many of their tasks run and wait, and of how many keys; as far as 5,000 keys and lists tell.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
-- Returns: {limit, the code's word or "", an operator's or "", running, waiting, keys, ms when it may go on or ""} each
-- Includes: guard, limit_count
-- Cost: O(handlers + keys + lists)
local slot = KEYS[1]
local P = ARGV[1]
guard(slot)
local stored, names, out, budget = redis.call('HGETALL', key(P, 'limits')), {}, {}, {left = 5000}
local said = {}
for i = 1, #stored, 2 do
  local name = string.match(stored[i], '^[^!]*')
  if not said[name] then names[#names + 1], said[name] = name, {'', ''} end
  said[name][name == stored[i] and 1 or 2] = stored[i + 1]
end
table.sort(names)
for _, name in ipairs(names) do
  local n = limit_count(P, name, budget)
  local at = redis.call('ZSCORE', key(P, 'delayed'), '!' .. name) or ''
  out[#out + 1] = {name, said[name][1], said[name][2], n.running, n.waiting, n.keys, at}
end
return out
