-- Takes tasks whose lease has run out from workers that are gone. They are ready again at the head of
-- their list, one attempt spent; one that has none left is buried by the worker that claims it next.
-- Moves: running → ready | cancelled (when it was being cancelled); batch running → done | failed
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 limit int (at most 100)
-- Returns: {"ok", how many, now_ms, next due ms, next lease end ms, broken}; broken: what of it has keys that can't be used
-- Includes: guard, now, run_split, home_queue, body_ext, count, settle, next_due
-- Cost: O(n log leases) for n tasks
local slot = KEYS[1]
local P, limit = ARGV[1], tonumber(ARGV[2])
guard(slot)
local now_ms, us = now()
redis.call('ZCARD', key(P, 'cx')) -- of a wrong type it stops all this before the first write
local members = redis.call('ZRANGEBYSCORE', key(P, 'leases'), '-inf', now_ms, 'LIMIT', 0, limit)
local groups, at, astray, broken = {}, {}, {}, {}
for _, member in ipairs(members) do
  local id = string.sub(member, 1, 32)
  local q, claimed, body = run_split(redis.call('HGET', key(P, 'run'), id) or '')
  q = home_queue(P, string.sub(id, 1, 22), q)
  if q then
    local place = string.sub(id, 1, 22) .. q
    local g = at[place] or {string.sub(id, 1, 22), q, 0, {}, {}}
    if not at[place] then groups[#groups + 1], at[place] = g, g end
    local attempt = count((body_ext(body or '') or {}).a) + 1
    local error = cjson.encode({
      attempt = attempt, type = 'taskproc.errors.LeaseExpired',
      message = 'worker ' .. string.sub(member, 33, 54) .. ' did not renew its lease',
    })
    g[3] = g[3] + math.min(math.max(0, now_ms - (claimed or now_ms)), 86400000) * 1000
    g[4][#g[4] + 1] = member
    g[5][#g[5] + 1] = {#g[4], 'expired', 0, error}
  else
    astray[#astray + 1] = member
  end
end
if #astray > 0 then redis.call('ZREM', key(P, 'leases'), unpack(astray)) end
settle(P, now_ms, us, groups, broken)
local due, ends = next_due(P)
return {'ok', #members, string.format('%.0f', now_ms), due, ends, broken}
