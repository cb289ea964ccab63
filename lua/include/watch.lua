-- Notes what is to be published of a batch: 1 that it settles, 2 also its next change, 3 also its next claim. Begins with
-- HDEL, so that a full Redis lets it through.
local function watch(P, batch, level)
  local record = key(P, 'b', batch)
  if (tonumber(redis.call('HGET', record, 'watched') or 0) or 0) >= level then return end
  redis.call('HDEL', record, 'watched')
  redis.call('HSET', record, 'watched', level)
end
