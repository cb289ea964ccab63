-- The lists that some tables have under a name, as one.
local function join_lists(tables, name)
  if #tables == 1 then return tables[1][name] end
  local all, n = {}, 0
  for _, t in ipairs(tables) do
    for _, value in ipairs(t[name]) do
      n = n + 1
      all[n] = value
    end
  end
  return all
end
