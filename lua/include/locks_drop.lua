-- Gives up the unique locks that a segment has noted, since its tasks are gone: they hold nothing from now on, and are
-- taken away a bounded number at a time.
local function locks_drop(P, now_ms, seg)
  if redis.call('EXISTS', key(P, 'b', seg, 'u')) == 1 then redis.call('ZADD', key(P, 'unlock'), now_ms, seg) end
end
