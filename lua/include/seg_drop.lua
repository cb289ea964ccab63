-- Unlinks the keys of a staged segment that was never committed, as its record names them.
local function seg_drop(P, seg)
  local record = key(P, 'b', seg, 'staged')
  local fields = redis.call('HKEYS', record)
  for _, field in ipairs(fields) do
    local kind, q = string.match(field, '^(%a+):(.*)$')
    if kind == 'big' then redis.call('UNLINK', key(P, 'b', seg, 'big'))
    elseif kind then
      local queue, limit = string.match(q, '^([^!]*)!?(.*)$')
      redis.call('UNLINK', key(P, 'b', limit_seg(seg, limit ~= '' and limit), kind, queue))
    end
  end
  if #fields > 0 then redis.call('UNLINK', key(P, 'b', seg, 'w')) end
  redis.call('UNLINK', record)
  redis.call('ZREM', key(P, 'staging'), seg)
end
