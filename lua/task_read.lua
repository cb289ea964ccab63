-- Finds one task that has not ended, or of which there is a record.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 task str (32 characters)
--   3 cursor str (empty at first)
--   4 watch int (0; 1: publish when it ends; 3: publish its changes)
-- Returns: {state, queue, tenant, batch, batch created_us, now_ms, score ms, body, errors, kept, outcome, result, progress,
--   batch ended_us} with state running (the score being the time of the claim), delayed, dead, ready, done, failed or
--   cancelled; kept: 1 where it has a record; outcome as include/record_end.lua has it, or empty; result: one that is kept
--   apart; progress: JSON or empty; {"more", cursor}; {"unknown"}, with the tenant where the batch is there
-- Includes: guard, now, batch_read, run_split, task_held, task_seek, errors_read, record_find, watch
-- Cost: O(1), or O(window) for a ready task
local slot = KEYS[1]
local P, task, cursor, level = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
guard(slot)
local id, b = string.sub(task, 23), batch_read(P, string.sub(task, 1, 22))
if not b.state then return {'unknown'} end
local record, rest, place, more = record_find(P, b.id, id), {}, nil, nil
if record then
  local stop = string.find(record, '\n', 1, true) or 0
  rest = redis.call('HMGET', key(P, 'b', b.id, 'rec'), id .. 'o', id .. 'r')
  place = {'ready', string.sub(record, 1, stop - 1), string.sub(record, stop + 1)}
end
if rest[1] then place[1] = string.match(rest[1], '^%l+') or 'failed'
elseif record and b.state == 'cancelled' then place[1] = 'cancelled'
else place = task_held(P, b, id) or place end
if not place then place, more = task_seek(P, b, id, cursor) end
if not place then
  if more == '' then return {'unknown', b.tenant or ''} end
  return {'more', more}
end
local state, score, body, progress = place[1], '', place[3], nil
if state == 'running' then
  local _, claimed, running, told = run_split(place[3])
  score, body, progress = string.format('%.0f', claimed or 0), running or '', told
elseif state == 'delayed' or state == 'dead' then
  score = place[4]
end
if level > 0 and (state == 'running' or state == 'delayed' or state == 'ready') then
  if record and level == 1 then
    redis.call('HDEL', key(P, 'b', b.id, 'rec'), id .. 'w') -- a full Redis lets this through, and then the next
    redis.call('HSET', key(P, 'b', b.id, 'rec'), id .. 'w', 1)
  end
  watch(P, b.id, level == 3 and 3 or record and 1 or 2)
end
local times = redis.call('HMGET', key(P, 'b', b.id), 'created', 'ended')
return {state, place[2], b.tenant, b.state == 'open' and '' or b.id, times[1] or '0', string.format('%.0f', (now())), score,
  body, errors_read(P, b.id, id), record and 1 or 0, rest[1] or '', rest[2] or '', progress or '', times[2] or ''}
