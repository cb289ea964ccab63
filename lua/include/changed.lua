-- Tells those who watch a batch, or a task of it, that it has changed: once, as they look then and ask again.
-- Seldom called.
local function changed(P, b, least)
  if (tonumber(b.watched or 0) or 0) < least then return end
  b.watched = '1'
  redis.pcall('HSET', key(P, 'b', b.id), 'watched', 1)
  redis.call('PUBLISH', P .. 'changed', b.id)
end
