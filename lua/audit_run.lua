-- Reads which tasks are noted as running, a part at a time.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 cursor str (0 at first)
-- Returns: {cursor (0 at the end), {task, queue, tenant or ""} each}
-- Includes: guard, run_split
-- Cost: O(n) for 200 tasks
local slot = KEYS[1]
local P, cursor = ARGV[1], ARGV[2]
guard(slot)
local page = redis.call('HSCAN', key(P, 'run'), cursor, 'COUNT', 200)
local out, tenants = {page[1]}, {}
for i = 1, #page[2], 2 do
  local id, batch = page[2][i], string.sub(page[2][i], 1, 22)
  if not tenants[batch] then
    local tenant = redis.pcall('HGET', key(P, 'b', batch), 'tenant')
    tenants[batch] = type(tenant) == 'string' and tenant or '' -- whatever can't be read is told where batches are looked at
  end
  out[#out + 1] = {id, run_split(page[2][i + 1]) or '', tenants[batch]}
end
return out
