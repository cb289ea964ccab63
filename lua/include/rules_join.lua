-- Lets what is said of a tenant, of all queues and of single ones, go before what was said until now.
local function rules_join(r, said)
  for _, field in ipairs({'w', 'm', 'i', 'b', 'n', 'p', 'x', 'r'}) do
    if said[field] ~= nil then r[field] = said[field] end
  end
  if not r.q or type(said.q) ~= 'table' then return end
  for q, values in pairs(said.q) do
    r.q[q] = r.q[q] or {}
    if type(values) == 'table' then rules_join(r.q[q], values) end
  end
end
