-- Raises an error where a settlement is not of the form that include/settle_plan.lua has, before anything is written.
local function settle_check(groups)
  local verbs = {
    done = true, retry = true, release = true, unknown = true, dead = true, exhausted = true, drop = true, cancelled = true,
    limited = true,
  }
  local function number(value, most)
    return type(value) == 'number' and value >= 0 and value <= most
  end
  for _, g in ipairs(groups) do
    if type(g[1]) ~= 'string' or type(g[2]) ~= 'string' or not number(g[3], 1e15) then error('settlement: a group') end
    if type(g[6] or '') ~= 'string' or type(g[7] or '') ~= 'string' or not number(g[8] or 0, 1e15) then
      error('settlement: statistics')
    end
    for _, member in ipairs(g[4]) do
      if type(member) ~= 'string' or #member < 33 then error('settlement: a member') end
    end
    for _, v in ipairs(g[5]) do
      if not (number(v[1], #g[4]) and v[1] >= 1 and v[1] % 1 == 0 and verbs[v[2]] and number(v[3] or 0, 1e13)
        and type(v[4] or '') == 'string' and number(v[5] or 0, 1e13)) then error('settlement: verb ' .. tostring(v[2])) end
    end
  end
end
