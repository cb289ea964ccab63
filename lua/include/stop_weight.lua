-- What it may cost to cancel a batch since a group's tasks fail; 0 where too few do.
local function stop_weight(P, b, others)
  local fails = 0
  for _, other in ipairs(others) do
    local verb = other[2]
    if verb == 'dead' or verb == 'exhausted' or verb == 'drop' or verb == 'unknown' then fails = fails + 1 end
  end
  b.fails = (b.fails or b.failed) + fails
  if fails == 0 or not fail_reached(b, b.fails) then return 0 end
  local _, queues = string.gsub(redis.call('HGET', key(P, 'b', b.id), 'queues') or '', '%S+', '')
  return 9 * queues + 3 * redis.call('SCARD', key(P, 'b', b.id, 'segs'))
end
