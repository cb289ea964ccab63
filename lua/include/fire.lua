-- Enqueues the continuations that a settled batch's state calls for, each once in the batch's life: what was fired
-- leaves the list, and so does what can't be read, or is unique and there. An entry is "condition queue delay_ms\nbody".
-- Seldom called.
local function fire(P, now_ms, us, b, state)
  if b.continuations == 0 then return end
  local list, fired, kept = key(P, 'b', b.id, 'c'), {}, {}
  for _, entry in ipairs(redis.call('LRANGE', list, 0, -1)) do
    local on, q, wait, at = string.match(entry, '^(%S+) ([%w_.-]+) (%d+)\n()')
    if on == state or on == 'settled' then
      fired[#fired + 1] = {q, tonumber(wait), string.sub(entry, at)}
    elseif on then
      kept[#kept + 1] = entry
    end
  end
  if #fired == 0 then return end
  local home, ready_by = hidden(P, us, b.tenant, b.id), {}
  local n = 0
  for _, one in ipairs(fired) do
    if fire_lock(P, now_ms, home, one[3]) then
      local q, body = one[1], big_apart(P, home, body_stamp(one[3], now_ms))
      records_put(P, home, q, {body}, 1, 1)
      n = n + 1
      if one[2] == 0 then
        ready_by[q] = ready_by[q] or {}
        table.insert(ready_by[q], body)
      else
        delay(P, q, b.tenant, home, body, now_ms + one[2])
      end
    end
  end
  for q, bodies in pairs(ready_by) do push(P, q, b.tenant, home, bodies) end
  redis.call('DEL', list)
  if #kept > 0 then redis.call('RPUSH', list, unpack(kept)) end
  b.continuations = fire_weight(kept)
  redis.call('HSET', key(P, 'b', b.id), 'continuations', b.continuations)
  redis.call('HINCRBY', key(P, 'b', home), 'total', n)
  redis.call('HINCRBY', key(P, 'b', home), 'remaining', n)
  if n > 0 then tenant_add(P, now_ms, b.tenant, n) end
end
