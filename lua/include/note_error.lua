-- Keeps an attempt's error, a JSON object, beside its task: a field each, the last 20 by the number of the delivery.
local function note_error(P, now_ms, batch, body, error)
  local ext = body_ext(body) or {}
  local field = string.sub(body, 1, 10) .. ':' .. math.floor(count(ext.d)) % 20
  redis.call('HSET', key(P, 'b', batch, 'e'), field, string.format('{"at":%.0f,', now_ms) .. string.sub(error, 2))
end
