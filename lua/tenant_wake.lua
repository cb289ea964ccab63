-- Lets a tenant go on by its rules as they are now: it stands where its weight puts it, returns to the lines out of which it
-- stands, and its schedules that were put off meanwhile are looked at.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 tenant str
--   3 cursor bytes (0 at first)
-- Returns: {cursor (0 at the end)}
-- Includes: guard, now, tenant_reweigh, tenants, schedule_read, schedule_index
-- Cost: O(queues + n log schedules) for 100 schedules and queues
local slot = KEYS[1]
local P, tenant, cursor = ARGV[1], ARGV[2], ARGV[3]
guard(slot)
local now_ms, us = now()
if cursor == '0' then
  tenant_reweigh(P, tenant)
  tenants(P, 'return', us, tenant)
end
local page = redis.call('ZSCAN', key(P, 'ts', tenant), cursor, 'COUNT', 100)
local rests = tenants(P, 'rests', tenant)
for i = 1, #page[2], 2 do
  local ok, s = pcall(schedule_read, P, string.sub(page[2][i], -22))
  if ok and s and not rests and not s.paused and tonumber(s.next) then
    local at = redis.call('ZSCORE', key(P, s.coded and 'coded' or 'schedules'), s.sid)
    if at and tonumber(at) > tonumber(s.next) then schedule_index(P, now_ms, s, s.next) end
  end
end
return {page[1]}
