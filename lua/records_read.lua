-- Reads a part of the records of kept tasks that have ended, of a batch of a tenant's or of one of its segments.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 tenant str
--   3 seg str
--   4 cursor str (0 at first)
-- Returns: {cursor (0 at the end), batch created_us, batch ended_us, 1 if it was cancelled, 1 if it is an open one, {local id,
--   queue and body, how it ended or "", a large result or "", errors} each}; empty where the batch is none of the tenant's
-- Includes: guard, errors_read
-- Cost: O(n) for 50 records
local slot = KEYS[1]
local P, tenant, seg, cursor = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
guard(slot)
local batch = string.sub(seg, 1, 22)
local b = redis.call('HMGET', key(P, 'b', batch), 'tenant', 'created', 'ended', 'state')
if b[1] ~= tenant then return {} end
local page = redis.call('HSCAN', key(P, 'b', seg, 'rec'), cursor, 'COUNT', 50)
local out = {page[1], b[2] or '0', b[3] or '', b[4] == 'cancelled' and 1 or 0, b[4] == 'open' and 1 or 0}
for i = 1, #page[2], 2 do
  local id = page[2][i]
  if #id == 10 then
    local rest = redis.call('HMGET', key(P, 'b', batch, 'rec'), id .. 'o', id .. 'r')
    if rest[1] or b[4] == 'cancelled' then
      out[#out + 1] = {id, page[2][i + 1], rest[1] or '', rest[2] or '', errors_read(P, batch, id)}
    end
  end
end
return out
