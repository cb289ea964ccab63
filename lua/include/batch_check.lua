-- Raises an error where the record of a batch that tasks join, or that of its tenant, can't be counted in, before anything is
-- written.
local function batch_check(P, b)
  if not b.tenant then error('batch ' .. b.id .. ': its record names no tenant') end
  counts_check(key(P, 'b', b.id), 'total', 'remaining', 'failed')
  counts_check(key(P, 't', b.tenant), 'total', 'remaining', 'failed')
end
