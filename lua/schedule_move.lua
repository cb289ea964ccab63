-- Fires schedules that are due: enqueues the tasks of an occurrence and moves on to the next in one step, where the stored
-- occurrence is still the expected one; so none fires twice, whoever tries it how often. Others are put off, with what is wrong.
-- Moves: – → ready
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 holds int (1: a dead letter of a unique schedule holds it up)
--   3 fires json (as include/schedule_fire.lua has them, at most 50 with 100 tasks together)
--   4 problems json ({schedule, revision, expected next, what is wrong, ms to wait}, at most 50)
-- Returns: {"ok", {how many tasks, or -1 where it was changed meanwhile}..., broken}; broken: those that were put off since
--   their keys can't be used. Nothing happens while the instance is paused: {"paused"}
-- Includes: guard, now, apart, put_off, schedule_read, schedule_mend, schedule_fire, schedule_index
-- Cost: O(n log schedules) for n schedules and tasks, and 1 MB of payloads and one more
local slot = KEYS[1]
local P, holds, fires, problems = ARGV[1], ARGV[2] == '1', cjson.decode(ARGV[3]), cjson.decode(ARGV[4])
guard(slot)
if redis.call('HEXISTS', key(P, 'm'), 'paused') == 1 then return {'paused'} end
for _, index in ipairs({'schedules', 'coded', 'over'}) do
  redis.call('ZADD', key(P, index), 'XX', 0, '') -- changes nothing; a full Redis, or one that takes no writes, refuses it all here
end
local now_ms, us = now()
local found, broken, room = {}, {}, {bytes = 1000000}
local function one(f)
  return schedule_fire(P, now_ms, us, f, holds, room) or -1
end
local function problem(p)
  local s = schedule_read(P, p[1])
  if not s or s.rev ~= p[2] or s.next ~= p[3] or s.next == '' or s.paused or (tonumber(s.next) or 0) > now_ms then
    schedule_mend(P, now_ms, p[1], s)
  else
    redis.call('HSET', key(P, 's', p[1]), 'why', p[4])
    schedule_index(P, now_ms, s, now_ms + p[5])
  end
  return 0
end
local function try(f, given)
  local n = apart(broken, 'schedule', given[1], f, given)
  if n then return n end
  put_off(key(P, redis.call('ZSCORE', key(P, 'coded'), given[1]) and 'coded' or 'schedules'), now_ms, given[1], true)
  return -1
end
for i = 1, math.min(#fires, 50) do found[i] = try(one, fires[i]) end
for i = 1, math.min(#problems, 50) do try(problem, problems[i]) end
return {'ok', found, broken}
