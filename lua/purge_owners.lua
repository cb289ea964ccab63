-- Reads which tenants have some batches, open ones among them, or schedules; or which batches idempotency keys name.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 kind str (b, s or idem)
--   3 ids bytes...  (at most 500)
-- Returns: a tenant or batch or "" each
-- Includes: guard
-- Cost: O(n)
local slot = KEYS[1]
local P, kind, out = ARGV[1], ARGV[2], {}
guard(slot)
for i = 3, #ARGV do
  local found
  if kind == 'idem' then found = redis.pcall('GET', key(P, 'idem', ARGV[i]))
  else found = redis.pcall('HGET', kind == 's' and key(P, 's', ARGV[i]) or key(P, 'b', ARGV[i]), 'tenant') end
  out[#out + 1] = type(found) == 'string' and (kind == 'idem' and string.sub(found, 1, 22) or found) or ''
end
return out
