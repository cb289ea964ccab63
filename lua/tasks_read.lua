-- Reads tasks of one of a tenant's lists: from a place on, or so many from its end, which tasks that leave its head don't shift.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 tenant str
--   3 seg str
--   4 kind str (r, d or x)
--   5 queue str
--   6 first int (a place, or how many at its end are left out)
--   7 count int (at most 100)
--   8 tail int (1: from its end, with errors)
-- Returns: {how many entries were looked at, 1 at the end, batch created_us, {place, local id, body, score ms, errors} each}; empty
--   where the list is none of the tenant's
-- Includes: guard, tasks_page, list_size, errors_read
-- Cost: O(place + n)
local slot = KEYS[1]
local P, tenant, seg, kind, q = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local first, n, tail = tonumber(ARGV[6]), math.min(tonumber(ARGV[7]), 100), ARGV[8] == '1'
guard(slot)
local batch = string.sub(seg, 1, 22)
local b = redis.call('HMGET', key(P, 'b', batch), 'tenant', 'created')
if b[1] ~= tenant then return {} end
local over = false
if tail then
  local last = list_size(P, seg, kind, q) - first
  over, first = last <= n, math.max(0, last - n)
  n = math.max(0, last - first)
end
local tasks, looked, ends = tasks_page(P, seg, kind, q, first, n, tail)
if tail then
  for _, task in ipairs(tasks) do task[5] = errors_read(P, batch, task[2]) end
else
  over = ends
end
return {looked, over and 1 or 0, b[2] or '0', unpack(tasks)}
