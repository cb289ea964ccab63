-- Enqueues the continuations that a settled batch's state calls for, each once in the batch's life:
-- what was fired leaves the list. An entry is "condition queue delay_ms\nbody".
local function fire(P, now_ms, us, b, state)
  if b.continuations == 0 then return end
  local list, record = key(P, 'b', b.id, 'c'), key(P, 'b', b.id)
  local fired, kept, ready_by, later = 0, {}, {}, {}
  for _, entry in ipairs(redis.call('LRANGE', list, 0, -1)) do
    local stop = string.find(entry, '\n', 1, true)
    local on, q, wait = string.match(string.sub(entry, 1, stop - 1), '^(%S+) (%S+) (%d+)$')
    if on == state or on == 'settled' then
      local body = body_stamp(string.sub(entry, stop + 1), now_ms)
      ready_by[q] = ready_by[q] or {}
      if wait == '0' then table.insert(ready_by[q], body) else later[#later + 1] = {q, body, now_ms + wait} end
      fired = fired + 1
    else
      kept[#kept + 1] = entry
    end
  end
  if fired == 0 then return end
  local home = hidden(P, us, b.tenant, b.id)
  for q, bodies in pairs(ready_by) do
    if #bodies > 0 then push(P, q, b.tenant, home, bodies) end
  end
  for _, one in ipairs(later) do delay(P, one[1], b.tenant, home, one[2], one[3]) end
  redis.call('DEL', list)
  if #kept > 0 then redis.call('RPUSH', list, unpack(kept)) end
  b.continuations = #kept
  redis.call('HSET', record, 'continuations', #kept)
  redis.call('HINCRBY', key(P, 'b', home), 'total', fired)
  redis.call('HINCRBY', key(P, 'b', home), 'remaining', fired)
  tenant_add(P, now_ms, b.tenant, fired)
end
