-- When the task that waits longest among the heads of segments became ready, in ms; '' for none. tenant: only of this one's, if
-- it is given.
local function segs_oldest(P, q, segs, tenant)
  local oldest
  for _, seg in ipairs(segs) do
    local body = redis.call('LINDEX', key(P, 'b', seg, 'r', q), 0)
    local b = body and redis.call('HMGET', key(P, 'b', string.sub(seg, 1, 22)), 'created', 'tenant')
    if body and (not tenant or b[2] == tenant) then
      local ext = #body > 11 and body_ext(body) or {}
      local since = count(ext.r) > 0 and count(ext.r) or count(ext.c)
      if since == 0 then since = whole(b[1]) / 1000 end
      if not oldest or since < oldest then oldest = since end
    end
  end
  return oldest and string.format('%.0f', oldest) or ''
end
