-- Prolongs the leases of what a worker runs and tells it which are lost and which tasks are cancelled;
-- keeps the worker listed. Begins with ZREM, so that a full Redis lets it through. A record that can't be read ends no lease.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 worker str
--   3 info str (what get_workers shows, JSON; empty: leave it as it is)
--   4 lease int (ms)
--   5 members bytes...  (task id and token, at most 250)
-- Returns: {"ok", lost members, cancelled task ids}
-- Includes: guard, now
-- Cost: O(n log leases) for n members
local slot = KEYS[1]
local P, worker, info, lease = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
guard(slot)
local now_ms = now()
local members, lost, cancelled, scores, states, ids = {unpack(ARGV, 5)}, {}, {}, {}, {}, {}
local leases = key(P, 'leases')
local held = #members > 0 and redis.call('ZMSCORE', leases, unpack(members)) or {}
for i, member in ipairs(members) do ids[i] = string.sub(member, 1, 32) end
local marks = #members > 0 and redis.pcall('ZMSCORE', key(P, 'cx'), unpack(ids)) or {}
for i, member in ipairs(members) do
  local batch = string.sub(member, 1, 22)
  if states[batch] == nil then states[batch] = redis.pcall('HGET', key(P, 'b', batch), 'state') end
  if not held[i] then lost[#lost + 1] = member
  else scores[#scores + 1], scores[#scores + 2] = now_ms + lease, member end
  if marks[i] or not states[batch] or states[batch] == 'cancelled' then cancelled[#cancelled + 1] = ids[i] end
end

redis.call('ZREM', leases, '')
if #scores > 0 then redis.call('ZADD', leases, 'XX', 'GT', unpack(scores)) end
if info ~= '' then
  redis.call('SET', key(P, 'worker', worker), info, 'PX', 2 * lease)
  redis.pcall('ZADD', key(P, 'workers'), now_ms + 2 * lease, worker)
  redis.call('PEXPIRE', key(P, 'w', worker), 2 * lease)
end
return {'ok', lost, cancelled}
