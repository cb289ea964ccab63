-- Forgets a list of ready tasks that is about to be dropped where it waits for a limit; what waits for the same goes on if it
-- may, as this list may have been the one that was to.
local function limit_drop(P, seg, q)
  local l = limit_of(seg)
  if not l then return end
  local _, us = now()
  local record, held = key(P, 'b', string.sub(seg, 1, 22)), limit_holds(P, seg, q)
  redis.call('HDEL', record, 'tickets:' .. seg .. ':' .. q, 'held:' .. seg .. ':' .. q)
  if held then
    redis.call('ZREM', key(P, 'park', held, q), seg)
    limit_empty(P, q, held)
  end
  limit_next(P, us, held or l)
end
