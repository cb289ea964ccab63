-- Notes what was done, for statistics: entries are {queue, tenant, handler µs, payload bytes, run times, waits, ends}, where ends
-- is how many are done, or {done, failed, cancelled, retried}. Sixteen of them make a record, and what would be a record too many
-- is only counted: memory is bounded though nobody sums them up. No statistics stop anything else.
local function stats_note(P, us, entries)
  if #entries == 0 or redis.pcall('HGET', key(P, 'm'), 'quiet') then return end
  local records, second, list = {}, math.floor(us / 1000000), key(P, 'stats')
  for at = 1, #entries, 16 do
    local record = {second}
    for i = at, math.min(at + 15, #entries) do
      local e, n = entries[i], #record
      record[n + 1], record[n + 2], record[n + 3], record[n + 4] = e[1], e[2], e[3], e[4]
      record[n + 5], record[n + 6], record[n + 7] = e[5], e[6], e[7]
    end
    records[#records + 1] = cjson.encode(record)
  end
  local size = redis.pcall('RPUSH', list, unpack(records))
  if type(size) == 'number' and size > 50000 then
    redis.call('LTRIM', list, 0, -#records - 1)
    redis.pcall('HINCRBY', key(P, 'sums'), 'dropped', #records)
  end
end
