-- The claims that a worker's step made the first time, as far as their leases are still held.
-- ids: the claimed tasks' ids in a row.
-- Seldom called.
local function replay(P, ids, token)
  local claims = {}
  for at = 1, #ids, 32 do
    local id = string.sub(ids, at, at + 31)
    local q, _, body = run_split(redis.call('HGET', key(P, 'run'), id) or '')
    if body and redis.call('ZSCORE', key(P, 'leases'), id .. token) then
      local b = redis.call('HMGET', key(P, 'b', string.sub(id, 1, 22)), 'created', 'tenant')
      claims[#claims + 1] = {q, b[2] or '', string.sub(id, 1, 22), b[1] or '0', {body}}
    end
  end
  return claims
end
