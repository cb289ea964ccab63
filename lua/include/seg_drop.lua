-- Unlinks the keys of a staged segment that was never committed, as its record names them.
local function seg_drop(P, seg, now_ms)
  local record = key(P, 'b', seg, 'staged')
  local fields = redis.call('HKEYS', record)
  redis.call('ZREM', key(P, 'staging'), seg) -- the first write, which a full Redis lets through
  for _, field in ipairs(fields) do
    local kind, q = string.match(field, '^(%a+):(.*)$')
    local queue, limit = string.match(q or '', '^([^!]*)!?(.*)$')
    if kind == 'big' or kind == 'rec' then redis.call('UNLINK', key(P, 'b', seg, kind))
    elseif kind == 'u' then locks_drop(P, now_ms, seg)
    elseif kind then redis.call('UNLINK', key(P, 'b', limit_seg(seg, limit ~= '' and limit), kind, queue)) end
  end
  if #fields > 0 then redis.call('UNLINK', key(P, 'b', seg, 'w')) end
  redis.call('UNLINK', record)
end
