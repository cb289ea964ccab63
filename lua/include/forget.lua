-- Drops what is kept beside a task that has ended: its errors, if it was ever delivered before, and its large payload; they
-- stay as long as a record does.
local function forget(P, batch, body)
  if kept(body) then return end
  local id, ext = string.sub(body, 1, 10), body_ext(body)
  local fresh = ext and count(ext.d) == 0 and pcall(cjson.encode, ext) -- what can't be encoded counts no deliveries
  if not fresh then redis.call('HDEL', key(P, 'b', batch, 'e'), unpack(errors_of(id))) end
  if string.sub(body, 11, 11) ~= '*' then return end
  local seg = ext and type(ext.g) == 'string' and ext.g or batch
  local big = key(P, 'b', seg, 'big')
  redis.call('HDEL', big, id)
  if seg ~= batch and redis.call('EXISTS', big) == 0 then
    redis.call('SREM', key(P, 'b', batch, 'segs'), seg .. ':big')
  end
end
