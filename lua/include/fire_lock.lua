-- Whether a continuation may be enqueued: not where it is unique and an equal task is there. One that is only being staged
-- gives way, since nobody could try this again.
local function fire_lock(P, now_ms, home, body)
  local digest, lasts = body_lock(body)
  if not digest then return true end
  local holder, staging = lock_holder(P, now_ms, digest)
  if holder and not staging then return false end
  locks_take(P, now_ms, home, {takes = {{digest, string.sub(body, 1, 10), lasts}}, robbed = {staging}}, true)
  return true
end
