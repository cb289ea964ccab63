-- Adds to what is told to statistics that so many tasks that waited were cancelled.
local function stats_ends(told, q, tenant, n)
  for _, value in ipairs({q, tenant or '', 0, 0, '', '', {0, 0, n, 0}}) do told[#told + 1] = value end
  return told
end
