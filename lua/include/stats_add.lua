-- Adds a group of a settlement to what its tenant has done in its queue in this step, {queue, tenant, n, us} and more for
-- statistics; its batch's record may have been of no use.
local function stats_add(runs, p)
  local place = p.queue .. ':' .. p.batch.tenant
  local r, ended = runs[place], p.ended
  if not r then
    r = {
      queue = p.queue, tenant = p.batch.tenant, n = 0, us = 0, bytes = 0, runs = '', waits = '', done = 0, failed = 0,
      cancelled = 0, retried = 0,
    }
    runs[place] = r
  end
  r.n, r.us = r.n + #p.members, r.us + p.us
  if not ended then return end
  r.bytes, r.runs, r.waits, r.done = r.bytes + p.bytes, r.runs .. p.runs, r.waits .. p.waits, r.done + ended.done
  if #p.others > 0 or ended.cancelled > 0 then
    r.failed, r.cancelled, r.retried = r.failed + ended.failed, r.cancelled + ended.cancelled, r.retried + ended.retried
  end
end
