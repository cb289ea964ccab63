-- Fires a schedule whose next occurrence is still the expected one, and moves that on. f: {schedule, revision, expected
-- next, next after that or "", most runs or 0, how many were left out, why, seed, {due, local id}...}. Returns how many
-- tasks there are; nil where it was fired or changed meanwhile, or its tenant rests. An occurrence for which there is no room just now stays, also
-- where room, the bytes of payloads that may still be stored, is used up. Raises an error where keys can't be used, once what
-- was done is noted.
local function schedule_fire(P, now_ms, us, f, holds, room)
  local s, name = schedule_read(P, f[1]), key(P, 's', f[1])
  if not s or s.rev ~= f[2] or s.next ~= f[3] or s.paused or (tonumber(s.next) or math.huge) > now_ms then
    schedule_mend(P, now_ms, f[1], s)
    return nil
  end
  if schedule_rests(P, now_ms, s) then return nil end
  local fired, skipped, why, later, failed = 0, f[6], f[7], nil, nil
  for i = 9, #f do
    local due, task = f[i][1], f[i][2]
    if later or f[5] > 0 and s.runs >= f[5] then break end
    if room.bytes <= 0 then
      later, s.next = now_ms, due
      break
    end
    local ok, found, refusal = pcall(schedule_task, P, now_ms, us, s, due, f[8], task, holds)
    if not ok then
      failed, found = tostring(found), schedule_lies(P, s, task)
      later, why, s.next = now_ms + 60000, string.sub(failed, 1, 200), found and (f[i + 1] or {f[4]})[1] or due
    end
    if found then
      fired, room.bytes, s.runs, s.task = fired + 1, room.bytes - #s.body, s.runs + 1, found .. s.queue
      redis.call('HSET', name, 'last', due, 'task', s.task, 'runs', s.runs)
    elseif refusal == 'full' or refusal == 'room' or refusal == 'wait' then
      later, s.next, why = now_ms + 1000, due, refusal
    elseif not failed then
      skipped, why = skipped + 1, refusal
    end
  end
  if not later then s.next = f[5] > 0 and s.runs >= f[5] and '' or f[4] end
  redis.call('HSET', name, 'next', s.next)
  if skipped > 0 then redis.call('HINCRBY', name, 'skipped', skipped) end
  if why ~= '' then redis.call('HSET', name, 'why', why) end
  if why == '' and fired > 0 and schedule_passes(s.why) then redis.call('HDEL', name, 'why') end
  schedule_index(P, now_ms, s, s.next ~= '' and later or s.next)
  if failed then error(failed, 0) end
  return fired
end
