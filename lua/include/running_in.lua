-- How many tasks of a tenant are noted as running from a queue;
-- nil where too many run in all to look through them at once.
local function running_in(P, q, tenant)
  local run, count, cursor, tenants, seen = key(P, 'run'), 0, '0', {}, {}
  if redis.call('HLEN', run) > 3000 then return nil end
  repeat
    local page = redis.call('HSCAN', run, cursor, 'COUNT', 500)
    cursor = page[1]
    for i = 1, #page[2], 2 do
      local id, batch = page[2][i], string.sub(page[2][i], 1, 22)
      if not seen[id] and string.sub(page[2][i + 1], 1, #q + 1) == q .. '\n' then
        seen[id] = true
        if tenants[batch] == nil then tenants[batch] = redis.call('HGET', key(P, 'b', batch), 'tenant') end
        if tenants[batch] == tenant then count = count + 1 end
      end
    end
  until cursor == '0'
  return count
end
