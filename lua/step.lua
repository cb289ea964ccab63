-- Settles what a worker has finished and claims what it has room for, in the order of its queues.
-- Moves: ready → running; running → done | ready | delayed | failed | cancelled; batch running → done | failed | cancelled
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 schema int
--   3 worker str (22 characters, new for each start of a process)
--   4 seq int (rises with every new step; the same again asks for the same answer)
--   5 lease int (ms)
--   6 want int (at most 128)
--   7 queues json (names, first served first; or as include/claim_queues.lua has them)
--   8 groups json (settlements as include/settle_plan.lua has them, at most 128 members)
--   9 at_once int (how many tasks a tenant is given at its turn, at most 16)
-- Returns: {"ok", now_ms, next due ms, next lease end ms, paused, lost, again, claims, more, broken}, claims
--   being {queue, tenant, batch, created_us, bodies}; more: there is room left, and there may be ready tasks behind what
--   is left of cancelled batches; broken: what was left out since its keys can't be used; {"stale"}; {"schema", found}
-- Includes: guard, now, apart, settle_check, settle, claim_queues, twins, next_due, replay, wake,
--   limits
-- Cost: O(n log tenants) for n settlements and claims, n ≤ 256
local slot = KEYS[1]
local P, schema, worker, seq, lease = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local want, queues, groups = math.min(tonumber(ARGV[6]), 128), cjson.decode(ARGV[7]), cjson.decode(ARGV[8])
guard(slot)
local state = redis.call('HMGET', key(P, 'm'), 'schema', 'paused', 'rules')
if state[1] and state[1] ~= schema then return {'schema', state[1]} end
local now_ms, us = now()
local memory, token, broken = key(P, 'w', worker), worker .. seq, {}
local function answer(lost, again, claims, more)
  local due, ends = next_due(P)
  return {'ok', string.format('%.0f', now_ms), due, ends, state[2] and 1 or 0, lost, again, claims, more, broken}
end

redis.call('HLEN', key(P, 'run')) -- of a wrong type these stop all before the first write
redis.call('ZCARD', key(P, 'cx'))
local last = redis.pcall('HMGET', memory, 'seq', 'lost', 'again', 'ids')
local seen = tonumber(last[1] or nil)
redis.call('ZREM', key(P, 'leases'), '') -- the first write, which a full Redis lets through
if last.err then redis.call('UNLINK', memory) end
if seen and seq <= seen then
  for _, q in ipairs(queues) do -- a marker may have been taken for this call
    if type(q) == 'table' then q = q[1] end
    if redis.call('EXISTS', key(P, 'ring', q), key(P, 'fifo', q)) > 0 then wake(P, q) end
  end
end
if seen and seq < seen then return {'stale'} end
if seen and seq == seen then
  return answer(cjson.decode(last[2]), cjson.decode(last[3]), replay(P, last[4], token), 0)
end

settle_check(groups)
local lost, again = settle(P, now_ms, us, groups, broken)
local more = 0
local c = {
  now = string.format('%.0f', now_ms), deadline = now_ms + lease, token = token, visits = 400,
  ids = {}, leases = {}, run = {}, out = {}, gone = {}, broken = broken, us = us, limits = {}, next = {}, moves = 500, short = 0,
  ruled = state[3], known = {}, at_once = math.min(tonumber(ARGV[9]), 16),
}
if not state[2] then more = claim_queues(P, c, queues, want) end
if #c.gone > 0 then redis.call('UNLINK', unpack(c.gone)) end
for l in pairs(c.next) do
  if apart(broken, 'limit', l, limits, P, 'next', us, l) and want > #c.ids then more = 1 end
end
if #c.ids > 0 then
  redis.call('HSET', key(P, 'run'), unpack(c.run))
  if redis.call('ZADD', key(P, 'leases'), unpack(c.leases)) < #c.ids then twins(P, c) end
end
redis.call('HSET', memory, 'seq', seq, 'lost', cjson.encode(lost), 'again', cjson.encode(again), 'ids', table.concat(c.ids))
if not last[1] then redis.call('PEXPIRE', memory, 2 * lease) end -- lease_renew.lua puts it off
return answer(lost, again, c.out, more)
