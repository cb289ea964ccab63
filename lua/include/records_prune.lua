-- Drops records of a tenant's open batch whose tasks ended before a time, at most 50, with all that is kept with them; how
-- many.
local function records_prune(P, batch, before)
  local index = key(P, 'b', batch, 'kept')
  local ids, fields, errors = redis.call('ZRANGEBYSCORE', index, '-inf', before, 'LIMIT', 0, 50), {}, {}
  for _, id in ipairs(ids) do
    for _, part in ipairs({'', 'o', 'r', 'w'}) do fields[#fields + 1] = id .. part end
    for _, field in ipairs(errors_of(id)) do errors[#errors + 1] = field end
  end
  if #ids > 0 then
    redis.call('ZREM', index, unpack(ids))
    redis.call('HDEL', key(P, 'b', batch, 'rec'), unpack(fields))
    redis.call('HDEL', key(P, 'b', batch, 'e'), unpack(errors))
    redis.call('HDEL', key(P, 'b', batch, 'big'), unpack(ids))
  end
  records_index(P, batch)
  return #ids
end
