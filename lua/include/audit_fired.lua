-- Tells of continuations that ought to have fired, or that would not, or that are gone, and mends what can be.
local function audit_fired(P, now_ms, us, b, mend, out)
  local entries, due = redis.call('LRANGE', key(P, 'b', b.id, 'c'), 0, -1), 0
  if #entries == 0 then
    if b.continuations == 0 then return end
    out[#out + 1] = {'unwritten', b.id, '', 0, 0, mend and 1 or 0}
    if mend then batch_quiet(P, b) end
    return
  end
  for _, entry in ipairs(entries) do
    local on = string.match(entry, '^(%S+)')
    if on == b.state or on == 'settled' and b.state ~= 'running' then due = due + 1 end
  end
  local weight = fire_weight(entries)
  if due > 0 then
    out[#out + 1] = {'unfired', b.id, b.state, #entries, due, mend and 1 or 0}
    b.continuations = weight
    if mend then fire(P, now_ms, us, b, b.state) end
  elseif b.continuations == 0 then
    out[#out + 1] = {'muted', b.id, '', 0, #entries, mend and 1 or 0}
    if mend then redis.call('HSET', key(P, 'b', b.id), 'continuations', weight) end
  end
end
