-- Looks at all that a settlement touches before anything is written.
-- groups: {batch, queue, us, members, verbs, run times, waits, payload bytes}; verbs are {position, verb, delay_ms, error, grace_ms}
-- of the members that are not simply done, run times and waits have a character for each, as taskproc/histogram.py has them. Returns the groups to write, the members whose lease is not
-- held, and those put off to the next call because continuations or cancels would make this one too long. A batch whose record can't be
-- read counts as gone.
local function settle_plan(P, groups, broken)
  local plan, lost, again, batches, seen = {}, {}, {}, {}, {}
  local members = join_lists(groups, 4)
  if #members == 0 then return plan, lost, again end
  local held, at, budget = redis.call('ZMSCORE', key(P, 'leases'), unpack(members)), 0, 500
  for _, g in ipairs(groups) do
    local b = batches[g[1]] or apart(broken, 'batch', g[1], batch_read, P, g[1])
      or {id = g[1], remaining = 0, left = 0, failed = 0, continuations = 0}
    batches[g[1]] = b
    local kept, ids, others, verbs, n = {}, {}, {}, {}, 0
    for _, verb in ipairs(g[5]) do verbs[verb[1]] = verb end
    for i, member in ipairs(g[4]) do
      at = at + 1
      if not held[at] then
        lost[#lost + 1] = member
      elseif not seen[member] then
        seen[member], n = true, n + 1
        kept[n], ids[n] = member, string.sub(member, 1, 32)
        if verbs[i] then others[#others + 1] = {ids[n], unpack(verbs[i], 2)} end
      end
    end
    local fires = b.state == 'running' and b.left <= n and b.continuations or 0
    local stops = b.fail_after and b.state == 'running' and stop_weight(P, b, others) or 0
    if stops > 0 then fires = b.continuations + stops end
    if fires > budget and budget < 500 then
      for _, member in ipairs(kept) do again[#again + 1] = member end
    elseif n > 0 then
      budget, b.left = budget - fires, b.left - n
      local runs, waits, share = g[6] or '', g[7] or '', n / #g[4]
      if n < #g[4] then runs, waits = stats_picked(runs, g[4], kept), stats_picked(waits, g[4], kept) end
      plan[#plan + 1] = {
        batch = b, queue = g[2], us = math.floor(g[3] * share), members = kept, ids = ids, others = others,
        runs = runs, waits = waits, bytes = math.floor((g[8] or 0) * share),
      }
    end
  end
  return plan, lost, again
end
