-- Lets what is said of a tenant go before what was said until now.
local function rules_join(r, said)
  for _, field in ipairs({'w', 'm', 'i', 'b', 'n', 'p', 'x', 'r'}) do
    if said[field] ~= nil then r[field] = said[field] end
  end
end
