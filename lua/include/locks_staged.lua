-- Whether a staged segment has unique locks, as its sizes tell; "robbed" where some were taken from it meanwhile.
local function locks_staged(P, seg, sizes)
  local unique = false
  for _, size in ipairs(sizes) do unique = unique or size[4] == 1 end
  if not unique then return false end
  return redis.call('HEXISTS', key(P, 'b', seg, 'staged'), 'robbed') == 1 and 'robbed' or true
end
