-- How many tasks of a batch are running: those noted as such, and those leased that are noted nowhere, as long as the lease
-- lasts. nil where too many run, of all or of the batch, to count them at once.
local function running_of(P, batch, now_ms)
  if redis.call('HLEN', key(P, 'run')) > 20000 or redis.call('ZCARD', key(P, 'leases')) > 20000 then return nil end
  local count, seen = 0, {}
  for _, place in ipairs({{'HSCAN', key(P, 'run')}, {'ZSCAN', key(P, 'leases')}}) do
    local cursor = '0'
    repeat
      local page = redis.call(place[1], place[2], cursor, 'MATCH', batch .. '*', 'COUNT', 1000)
      cursor = page[1]
      for i = 1, #page[2], 2 do
        local id = string.sub(page[2][i], 1, 32)
        if not seen[id] and (place[1] == 'HSCAN' or tonumber(page[2][i + 1]) > now_ms) then
          seen[id], count = true, count + 1
        end
      end
      if count > 3000 then return nil end
    until cursor == '0'
  end
  return count
end
