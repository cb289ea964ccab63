-- What changes whenever a task of a batch is claimed or settled: what its tenant has claimed and settled in its queues.
local function batch_version(P, b, lists)
  local parts = {}
  for _, list in ipairs(lists) do
    if list.kind == 'r' then
      local n = redis.call('HMGET', key(P, 'tq', list.queue, b.tenant), 'claimed', 'settled')
      parts[#parts + 1] = (n[1] or 0) .. ':' .. (n[2] or 0)
    end
  end
  return table.concat(parts, ' ')
end
