-- Notes for statistics what a settlement has come to.
local function stats_runs(P, us, runs)
  local entries = {}
  for _, r in pairs(runs) do
    local ends = r.done
    if r.failed + r.cancelled + r.retried > 0 then ends = {r.done, r.failed, r.cancelled, r.retried} end
    entries[#entries + 1] = {r.queue, r.tenant, r.us, r.bytes, r.runs, r.waits, ends}
  end
  stats_note(P, us, entries)
end
