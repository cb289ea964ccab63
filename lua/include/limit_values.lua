-- What holds for a limit: m, how many may run at once (nil: any number), and i and b, microseconds between two starts and how
-- many may start at once (i 0: no rate). What an operator has set goes before what the code says, -1 standing for none.
local function limit_values(P, l)
  local name, v = string.match(l, '^[^.]*'), {}
  for _, text in ipairs(redis.call('HMGET', key(P, 'limits'), name, name .. '!')) do
    local ok, found = pcall(cjson.decode, text or '{}')
    if ok and type(found) == 'table' then
      for field, value in pairs(found) do v[field] = value end
    end
  end
  local most, i, b = v.m and whole(v.m) or -1, math.max(0, whole(v.i)), math.max(1, whole(v.b))
  return {m = most >= 0 and most or nil, i = i, b = b}
end
