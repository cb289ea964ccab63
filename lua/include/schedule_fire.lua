-- Fires a schedule whose next occurrence is still the expected one, and moves that on. f: {schedule, revision, expected
-- next, next after that or "", most runs or 0, how many were left out, why, seed, {due, local id}...}. Returns how many
-- tasks there are; nil where it was fired or changed meanwhile. An occurrence for which there is no room just now stays.
local function schedule_fire(P, now_ms, us, f, holds)
  local s, name = schedule_read(P, f[1]), key(P, 's', f[1])
  if not s or s.rev ~= f[2] or s.next ~= f[3] or s.paused or (tonumber(s.next) or math.huge) > now_ms then return nil end
  local fired, skipped, why, put_off = 0, f[6], f[7], nil
  for i = 9, #f do
    local due, task = f[i][1], f[i][2]
    if put_off or f[5] > 0 and s.runs >= f[5] then break end
    local found, refusal = schedule_task(P, now_ms, us, s, due, f[8], task, holds)
    if found then
      fired, s.runs, s.task = fired + 1, s.runs + 1, found .. s.queue
      redis.call('HSET', name, 'last', due, 'task', s.task, 'runs', s.runs)
    elseif refusal == 'full' or refusal == 'wait' then
      put_off, s.next, why = now_ms + 1000, due, refusal
    else
      skipped, why = skipped + 1, refusal
    end
  end
  if not put_off then s.next = f[5] > 0 and s.runs >= f[5] and '' or f[4] end
  redis.call('HSET', name, 'next', s.next)
  if skipped > 0 then redis.call('HINCRBY', name, 'skipped', skipped) end
  if why ~= '' then redis.call('HSET', name, 'why', why) end
  schedule_index(P, now_ms, s, put_off or s.next)
  return fired
end
