-- Looks through a part of all leases for the running tasks of a batch.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 batch str
--   3 cursor str (0 at first)
-- Returns: {cursor (0 at the end), {task id and token, lease end ms, queue, claimed ms, 1 if it is being cancelled, body}
--   each}; queue and body are empty where nothing is known of the task
-- Includes: guard, run_split
-- Cost: O(n) for 1,000 leases
local slot = KEYS[1]
local P, batch, cursor = ARGV[1], ARGV[2], ARGV[3]
guard(slot)
local page = redis.call('ZSCAN', key(P, 'leases'), cursor, 'MATCH', batch .. '*', 'COUNT', 1000)
local out = {page[1]}
for i = 1, #page[2], 2 do
  local member = page[2][i]
  local id = string.sub(member, 1, 32)
  local q, claimed, body = run_split(redis.call('HGET', key(P, 'run'), id) or '')
  local stopping = redis.call('ZSCORE', key(P, 'cx'), id) and 1 or 0
  out[#out + 1] = {member, page[2][i + 1], q or '', string.format('%.0f', claimed or 0), stopping, body or ''}
end
return out
