-- Puts bodies on a batch's ready lists, in their order, at their tails or heads: those that have a limit on that of their
-- limit, or where it has a key of which nothing is there on that of all keys of its handler.
-- Seldom called.
local function push(P, q, tenant, batch, bodies, at_head)
  local free, others, order = bodies, {}, {}
  for i, body in ipairs(bodies) do
    local l = body_limit(body)
    if l and free == bodies then free = {unpack(bodies, 1, i - 1)} end
    if l then
      local name = string.match(l, '^[^.]*%.') or l
      if name ~= l and redis.call('EXISTS', key(P, 'b', batch .. '!' .. l, 'r', q)) == 1 then name = l end
      if not others[name] then others[name], order[#order + 1] = {}, name end
      table.insert(others[name], body)
    elseif free ~= bodies then
      free[#free + 1] = body
    end
  end
  if #free > 0 then push_one(P, q, tenant, batch, free, at_head) end
  for _, name in ipairs(order) do push_one(P, q, tenant, batch .. '!' .. name, others[name], at_head) end
end
