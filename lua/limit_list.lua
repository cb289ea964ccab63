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
local limits, names, out, budget, seen = key(P, 'limits'), {}, {}, {left = 5000}, {}
for _, field in ipairs(redis.call('HKEYS', limits)) do
  local name = string.match(field, '^[^!]*')
  if not seen[name] then names[#names + 1], seen[name] = name, true end
end
table.sort(names)
for _, name in ipairs(names) do
  local n, said = limit_count(P, name, budget), redis.call('HMGET', limits, name, name .. '!')
  local at = redis.call('ZSCORE', key(P, 'delayed'), '!' .. name) or ''
  out[#out + 1] = {name, said[1] or '', said[2] or '', n.running, n.waiting, n.keys, at}
end
return out
