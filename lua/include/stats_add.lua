-- Adds a group of a settlement to what its tenant has done in its queue in this step; ended is missing where its batch's record
-- is of no use.
local function stats_add(runs, p)
  local place, ended = p.queue .. ':' .. p.batch.tenant, p.ended
  local r = runs[place]
  if not r then
    runs[place] = {
      queue = p.queue, tenant = p.batch.tenant, n = #p.members, us = p.us, bytes = p.bytes, runs = p.runs, waits = p.waits,
      ended = ended,
    }
    return
  end
  r.n, r.us, r.bytes, r.runs, r.waits = r.n + #p.members, r.us + p.us, r.bytes + p.bytes, r.runs .. p.runs, r.waits .. p.waits
  if r.ended and ended then
    for how, n in pairs(ended) do r.ended[how] = r.ended[how] + n end
  else
    r.ended = r.ended or ended
  end
end
