-- All that is done to limits in a step, by what it is: claim, leave, next or hold.
-- Seldom called.
local function limits(P, what, ...)
  if what == 'claim' then return claim_limited(P, ...) end
  if what == 'leave' then return limit_leave(P, ...) end
  if what == 'next' then return limit_next(P, ...) end
  return limit_hold(P, ...)
end
