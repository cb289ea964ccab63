-- Tells what is wrong with where a schedule stands, and puts it where it belongs. It may be looked at up to a minute after its
-- next occurrence, where it was put off.
local function audit_scheduled(P, now_ms, sid, mend, out)
  local name = key(P, 's', sid)
  local ok, s = pcall(schedule_read, P, sid)
  local function tell(kind, hopeless)
    out[#out + 1] = {kind, s and s.id or sid, s and s.tenant or '', 0, 0, hopeless and 2 or mend and 1 or 0}
  end
  local read, spec = pcall(cjson.decode, ok and s and redis.call('HGET', name, 'spec') or '')
  if not read or type(spec) ~= 'table' or spec.tenant ~= s.tenant or spec.id ~= s.id then
    s = nil -- nobody knows whose it is
    if redis.call('EXISTS', name) == 1 then tell('unread', true) end
    return
  end
  if redis.call('HEXISTS', name, 'body') == 0 then tell('unmade', true) end
  local list, member = key(P, 'ts', s.tenant), s.id .. '\0' .. sid
  if not redis.call('ZSCORE', list, member) then
    tell('unnamed_schedule')
    if mend then redis.call('ZADD', list, 0, member) end
  end
  local other = key(P, s.coded and 'schedules' or 'coded')
  local at = redis.call('ZSCORE', key(P, s.coded and 'coded' or 'schedules'), sid)
  local next, fires = tonumber(s.next), s.next ~= '' and not s.paused
  local over, listed, before = s.next == '' and not s.coded, redis.call('ZSCORE', key(P, 'over'), sid), #out
  if redis.call('ZSCORE', other, sid) then tell('misplaced') end
  if fires and not at then tell('unscheduled') end
  if fires and at and tonumber(at) > math.max(next or 0, now_ms + 60000) then tell('belated') end
  if at and not fires then tell('resting') end
  if over and not listed then tell('unover') end
  if listed and not over then tell('over') end
  if mend and #out > before then
    redis.call('ZREM', other, sid)
    redis.call('ZREM', key(P, 'over'), sid)
    schedule_index(P, now_ms, s, fires and (next and s.next or string.format('%.0f', now_ms)) or '')
  end
end
