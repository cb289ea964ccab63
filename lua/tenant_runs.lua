-- Reads a part of all running tasks, those of a tenant.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 tenant str
--   3 cursor str (0 at first)
-- Returns: {cursor (0 at the end), {task, batch created_us, batch or "" of a single task, queue, claimed ms, body} each}
-- Includes: guard, run_split
-- Cost: O(n) for 250 tasks
local slot = KEYS[1]
local P, tenant, cursor = ARGV[1], ARGV[2], ARGV[3]
guard(slot)
local page, of = redis.call('HSCAN', key(P, 'run'), cursor, 'COUNT', 250), {}
local out = {page[1]}
for i = 1, #page[2], 2 do
  local task = page[2][i]
  local batch = string.sub(task, 1, 22)
  of[batch] = of[batch] or redis.pcall('HMGET', key(P, 'b', batch), 'tenant', 'created', 'state')
  local b = of[batch]
  local q, claimed, body = run_split(page[2][i + 1])
  if b[1] == tenant and q then
    out[#out + 1] = {task, b[2] or '0', b[3] == 'open' and '' or batch, q, string.format('%.0f', claimed), body}
  end
end
return out
