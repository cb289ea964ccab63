-- Finds one task that has not ended.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 task str (32 characters)
--   3 cursor str (empty at first)
-- Returns: {state, queue, tenant, batch, batch created_us, now_ms, score ms, body, errors} with state running
--   (the score being the time of the claim), delayed, dead or ready; {"more", cursor}; {"unknown"}
-- Includes: guard, now, batch_read, run_split, task_held, task_seek, errors_read
-- Cost: O(1), or O(window) for a ready task
local slot = KEYS[1]
local P, task, cursor = ARGV[1], ARGV[2], ARGV[3]
guard(slot)
local id, b = string.sub(task, 23), batch_read(P, string.sub(task, 1, 22))
if not b.state then return {'unknown'} end
local place, more = task_held(P, b, id), nil
if not place then place, more = task_seek(P, b, id, cursor) end
if not place then
  if more == '' then return {'unknown'} end
  return {'more', more}
end
local score, body = place[4] or '', place[3]
if place[1] == 'running' then
  local _, claimed, running = run_split(place[3])
  score, body = string.format('%.0f', claimed or 0), running or ''
elseif place[1] == 'ready' then
  score = ''
end
local created = redis.call('HGET', key(P, 'b', b.id), 'created') or '0'
return {place[1], place[2], b.tenant, b.state == 'open' and '' or b.id, created,
  string.format('%.0f', (now())), score, body, errors_read(P, b.id, id)}
