-- Drops sums of minutes and hours that are past their time, and the oldest of more than may be kept.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 minutes int (ms that sums of minutes are kept)
--   3 hours int (ms that sums of hours are kept)
--   4 entries int (how many sums are kept in all)
--   5 limit int (at most 100)
-- Returns: {"ok", how many minutes and hours were dropped}
-- Includes: guard, now, whole, stats_drop
-- Cost: O(n) for n minutes and hours
local slot = KEYS[1]
local P, minutes, hours, most, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
guard(slot)
local now_ms, state = now(), key(P, 'sums')
local dropped = stats_drop(P, 'm', (now_ms - minutes) / 1000 - 60, limit)
dropped = dropped + stats_drop(P, 'h', (now_ms - hours) / 1000 - 3600, limit - dropped)
redis.call('ZREMRANGEBYSCORE', key(P, 'summed'), '-inf', (now_ms - hours) / 1000 - 3600)
local left = redis.call('EXISTS', key(P, 'stats'))
for _, span in ipairs({'m', 'h'}) do
  while dropped < limit and whole(redis.call('HGET', state, 'entries')) > most do
    local n = stats_drop(P, span, '+inf', 1)
    if n == 0 then break end
    dropped = dropped + n
  end
  left = left + redis.call('EXISTS', key(P, 'periods', span))
end
if left == 0 then redis.call('UNLINK', state, key(P, 'summed')) end
return {'ok', dropped}
