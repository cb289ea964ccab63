-- Takes unique locks as include/locks_sift.lua has planned it. open: the segment is a tenant's open batch, which is never
-- dropped with what it holds; others note their locks. Returns whether there were any.
local function locks_take(P, now_ms, seg, plan, open)
  local fields, ends, digests = {}, {}, {}
  for _, take in ipairs(plan.takes) do
    local digest, id, lasts = take[1], take[2], take[3]
    local value = string.sub(seg, 1, 22) .. id .. string.sub(seg, 23)
    if lasts then
      local over = string.format('%.0f', now_ms + lasts)
      value, ends[#ends + 1], ends[#ends + 2] = value .. ':' .. over, over, digest
    end
    digests[#digests + 1], fields[#fields + 1], fields[#fields + 2] = digest, digest, value
  end
  if #digests == 0 then return false end
  redis.call('HSET', key(P, 'uniq'), unpack(fields))
  if #ends > 0 then redis.call('ZADD', key(P, 'uniqends'), unpack(ends)) end
  if not open then redis.call('SADD', key(P, 'b', seg, 'u'), unpack(digests)) end
  for _, robbed in ipairs(plan.robbed) do redis.call('HSET', key(P, 'b', robbed, 'staged'), 'robbed', 1) end
  return true
end
