-- Reads ready tasks of a queue: tenant by tenant as they are in line, each one's batches in turn, each
-- list in its order. Looks at 2,000 lists at most.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 queue str
--   3 skip int
--   4 take int (at most 250)
-- Returns: {tenant, batch or "" of a single task, batch, batch created_us, bodies...} for each list
-- Includes: guard, queue_lines
-- Cost: O(lists + take)
local slot = KEYS[1]
local P, q, skip, take = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
guard(slot)
local out = {}
for _, seg in ipairs(queue_lines(P, q, 2000)) do
  if take <= 0 then break end
  local list, batch = key(P, 'b', seg, 'r', q), string.sub(seg, 1, 22)
  local size = redis.call('LLEN', list)
  if skip >= size then
    skip = skip - size
  else
    local b = redis.call('HMGET', key(P, 'b', batch), 'tenant', 'state', 'created')
    local bodies = redis.call('LRANGE', list, skip, skip + take - 1)
    out[#out + 1] = {b[1] or '', b[2] == 'open' and '' or batch, batch, b[3] or '0', unpack(bodies)}
    skip, take = 0, take - #bodies
  end
end
return out
