-- A body whose payload, if it is above 8 kB, has gone to its batch's hash of large ones.
local function big_apart(P, batch, body)
  local stop = string.find(body, '\n', 12, true)
  if not stop or #body - stop <= 8192 then return body end
  redis.call('HSET', key(P, 'b', batch, 'big'), string.sub(body, 1, 10), string.sub(body, stop + 1))
  return string.sub(body, 1, 10) .. '*' .. string.sub(body, 12, stop)
end
