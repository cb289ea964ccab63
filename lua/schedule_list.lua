-- Reads a tenant's schedules by id, or one.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 tenant str
--   3 skip int
--   4 take int (at most 50; 0: only the number)
--   5 only str (a schedule: this one; empty: all, and those that can't be read without a field)
-- Returns: {now_ms, how many the tenant has, {fields and values of its record, without the body}...}
-- Includes: guard, now
-- Cost: O(log schedules + take)
local slot = KEYS[1]
local P, tenant, skip, take, only = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
guard(slot)
local out, members = {string.format('%.0f', (now())), 0}, {only}
if only == '' then
  out[2] = redis.call('ZCARD', key(P, 'ts', tenant))
  members = take > 0 and redis.call('ZRANGE', key(P, 'ts', tenant), skip, skip + math.min(take, 50) - 1) or {}
end
local names = {'spec', 'handler', 'rev', 'next', 'anchor', 'runs', 'paused', 'coded', 'last', 'skipped', 'why', 'history',
  'created', 'changed', 'id', 'tenant'}
for _, member in ipairs(members) do
  local sid = string.sub(member, -22)
  local values = (only == '' and redis.pcall or redis.call)('HMGET', key(P, 's', sid), unpack(names))
  local entry = {sid}
  for i, name in ipairs(names) do
    if values[i] then entry[#entry + 1], entry[#entry + 2] = name, values[i] end
  end
  if #entry > 1 or only == '' then out[#out + 1] = entry end
end
return out
