-- Drops what is kept beside a task that has ended: its errors and its large payload; they stay as long as a record does.
local function forget(P, batch, body)
  if kept(body) then return end
  local id = string.sub(body, 1, 10)
  redis.call('HDEL', key(P, 'b', batch, 'e'), unpack(errors_of(id)))
  if string.sub(body, 11, 11) ~= '*' then return end
  local ext = body_ext(body)
  local seg = ext and type(ext.g) == 'string' and ext.g or batch
  local big = key(P, 'b', seg, 'big')
  redis.call('HDEL', big, id)
  if seg ~= batch and redis.call('EXISTS', big) == 0 then
    redis.call('SREM', key(P, 'b', batch, 'segs'), seg .. ':big')
  end
end
