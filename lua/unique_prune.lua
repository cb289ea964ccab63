-- Takes away unique locks that hold nothing any more: of batches that were cancelled and segments that were dropped, and
-- those whose time is over.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 limit int (at most 500)
-- Returns: {"ok", how many were looked at, broken}; broken: those whose keys can't be used
-- Includes: guard, now, apart, locks_drain, locks_expire, put_off
-- Cost: O(n) for n locks
local slot = KEYS[1]
local P, limit = ARGV[1], tonumber(ARGV[2])
guard(slot)
local now_ms, left, broken, index = now(), limit, {}, key(P, 'unlock')
for _, seg in ipairs(redis.call('ZRANGEBYSCORE', index, '-inf', now_ms, 'LIMIT', 0, 20)) do
  if left <= 0 then break end
  local looked = apart(broken, 'locks of', seg, locks_drain, P, seg, left)
  if not looked then put_off(index, now_ms, seg, true) end
  left = left - (looked or 1)
end
local over = left > 0 and apart(broken, 'the index', 'uniqends', locks_expire, P, now_ms, left)
return {'ok', limit - left + (over or 0), broken}
