-- Notes what was done, for statistics. told has seven values for each tenant in a queue: queue, tenant, handler µs, payload bytes,
-- run times, waits, and how many are done, or {done, failed, cancelled, retried}. Sixteen tenants make a record, and what
-- would be a record too many is only counted: memory is bounded though nobody sums them up. No statistics stop anything else.
local function stats_note(P, us, told)
  if #told == 0 or redis.pcall('HGET', key(P, 'm'), 'quiet') then return end
  local records, second, list = {}, math.floor(us / 1000000), key(P, 'stats')
  for at = 1, #told, 112 do
    records[#records + 1] = cjson.encode({second, unpack(told, at, math.min(at + 111, #told))})
  end
  local size = redis.pcall('RPUSH', list, unpack(records))
  if type(size) == 'number' and size > 50000 then
    redis.call('LTRIM', list, 0, -#records - 1)
    redis.pcall('HINCRBY', key(P, 'sums'), 'dropped', #records)
  end
end
