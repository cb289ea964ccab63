-- How many tasks are delayed in a queue, as the index of delayed lists knows them, and how many of each tenant; nil where there
-- are too many lists.
local function delayed_in(P, q)
  local index, sum, tenants = key(P, 'delayed'), 0, {}
  if redis.call('ZCARD', index) > 3000 then return nil end
  for _, member in ipairs(redis.call('ZRANGE', index, 0, -1)) do
    local seg, of = string.match(member, '^([^:]+):(.*)$')
    if of == q then
      local n = list_size(P, seg, 'd', q)
      sum = sum + n
      of_tenant(P, tenants, string.sub(seg, 1, 22), n)
    end
  end
  return sum, tenants
end
