-- Whether so many failed tasks are as many as a batch's fail_after names: a number, or a share of all its tasks.
local function fail_reached(b, failed)
  local n, share = string.match(b.fail_after or '', '^([%d.]+)(%%?)$')
  n = tonumber(n)
  if not n or failed < 1 then return false end
  if share == '' then return failed >= n end
  return failed * 100 >= n * b.total
end
