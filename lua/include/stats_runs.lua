-- Notes for statistics what a settlement has come to.
local function stats_runs(P, us, runs)
  local told, at = {}, 0
  for _, r in pairs(runs) do
    local e = r.ended
    if e then
      local ends = e.done
      if e.failed > 0 or e.cancelled > 0 or e.retried > 0 then ends = {e.done, e.failed, e.cancelled, e.retried} end
      told[at + 1], told[at + 2], told[at + 3], told[at + 4] = r.queue, r.tenant, r.us, r.bytes
      told[at + 5], told[at + 6], told[at + 7] = r.runs, r.waits, ends
      at = at + 7
    end
  end
  stats_note(P, us, told)
end
