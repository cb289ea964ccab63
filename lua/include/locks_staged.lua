-- Whether a staged segment has unique locks, as its sizes tell; "robbed" where some were taken from it meanwhile.
local function locks_staged(P, seg, sizes)
  local unique = false
  for _, size in ipairs(sizes) do unique = unique or size[5] == 1 end
  if not unique then return false end
  if redis.call('HEXISTS', key(P, 'b', seg, 'staged'), 'robbed') == 1 then return 'robbed' end
  return redis.call('EXISTS', key(P, 'b', seg, 'u')) == 1
end
