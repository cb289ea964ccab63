-- Changes what is said of a tenant, a tier or all: words replace those of the same name, false takes one back; of queues the
-- same, each for itself.
local function rules_change(said, words)
  for field, value in pairs(words) do
    if field == 'q' then
      local queues = type(said.q) == 'table' and said.q or {}
      for q, one in pairs(value) do
        local own = one and rules_change(type(queues[q]) == 'table' and queues[q] or {}, one)
        queues[q] = own and next(own) and own or nil
      end
      said.q = next(queues) and queues or nil
    else
      said[field] = value or nil
    end
  end
  return said
end
