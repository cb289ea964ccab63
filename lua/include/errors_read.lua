-- The errors of a task's attempts that are kept, in no order.
local function errors_read(P, batch, id)
  local found = {}
  for _, error in ipairs(redis.call('HMGET', key(P, 'b', batch, 'e'), unpack(errors_of(id)))) do
    if error then found[#found + 1] = error end
  end
  return found
end
