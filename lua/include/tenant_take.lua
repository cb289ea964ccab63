-- Takes n tokens of the rates that hold for a tenant. Raises no error: its tasks are claimed already.
-- Seldom called.
local function tenant_take(P, us, tenant, room, n)
  room.free = room.free - n
  if room.sums[tenant] then room.sums[tenant] = room.sums[tenant] + n end
  for _, rate in ipairs(room.rates) do
    rate.tat, rate.left = rate.tat + n * rate.i, rate.left - n
    if rate.left <= 0 then room.at = rate_at(room, rate) end
    local name = key(P, 'tr', rate.place, tenant)
    redis.pcall('HSET', name, 'tat', string.format('%.0f', rate.tat))
    redis.pcall('PEXPIRE', name, math.ceil((rate.tat - us) / 1000) + 60000)
  end
end
