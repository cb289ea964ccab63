-- What is to be done for one unique task that is to be stored under a segment, in a plan of several: adds its lock to
-- plan.takes, or the task that has it to plan.gone. Returns the segment where an equal one is still being staged, if so.
-- Seldom called.
local function locks_plan(P, now_ms, seg, body, plan)
  local digest, lasts = body_lock(body)
  if not digest then return nil end
  local id, holder, staging = string.sub(body, 1, 10), plan.mine[digest], nil
  if not holder then holder, staging = lock_holder(P, now_ms, digest) end
  if staging and staging ~= seg then
    if not lock_robbed(P, now_ms, staging) then return staging end
    plan.robbed[#plan.robbed + 1] = staging
    holder = nil
  end
  if holder then
    plan.gone[id] = holder
  else
    plan.mine[digest] = string.sub(seg, 1, 22) .. id
    plan.takes[#plan.takes + 1] = {digest, id, lasts}
  end
  return nil
end
