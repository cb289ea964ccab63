-- Whether the locks of a segment that is being staged may be taken from it: nobody has added to it for half a minute. Its
-- commit is then refused, so that it may have lost its producer, but never a task unnoticed.
local function lock_robbed(P, now_ms, seg)
  return (tonumber(redis.call('ZSCORE', key(P, 'staging'), seg) or 0) or 0) < now_ms - 30000
end
