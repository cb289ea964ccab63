-- Takes up to n tickets off the line of a strict queue in which nothing is ready, and those that were set aside: of cancelled
-- batches, and of tasks cancelled alone, whose lists of empty entries go with them, also where they wait for limits. Returns
-- whether that was all.
local function tickets_drop(P, q, n)
  local function drop(seg)
    ticket_list(P, q, seg)
    n = n - 1
  end
  local lines = {key(P, 'fifo', q)}
  for _, tenant in ipairs(tenants_out(P, q)) do lines[#lines + 1] = key(P, 'aside', q, tenant) end
  for _, line in ipairs(lines) do
    while n > 0 do
      local ticket = redis.call('LPOP', line)
      if not ticket then break end
      local seg = string.match(ticket, '^(.*):%d+$')
      if seg then drop(seg) else n = n - 1 end
    end
  end
  for _, seg in ipairs(n > 0 and limit_lists(P, q, n) or {}) do drop(seg) end
  return n > 0
end
