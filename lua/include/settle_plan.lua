-- Looks at all that a settlement touches before anything is written.
-- groups: {batch, queue, us, members, verbs}; verbs are {position, verb, delay_ms, error, grace_ms} of
-- the members that are not simply done. Returns the groups to write, the members whose lease is not
-- held, and those put off to the next call because continuations would make this one too long.
local function settle_plan(P, groups)
  local members, plan, lost, again, batches, seen = {}, {}, {}, {}, {}, {}
  for _, g in ipairs(groups) do
    for _, member in ipairs(g[4]) do members[#members + 1] = member end
  end
  if #members == 0 then return plan, lost, again end
  local held, at, budget = redis.call('ZMSCORE', key(P, 'leases'), unpack(members)), 0, 500
  for _, g in ipairs(groups) do
    local b = batches[g[1]] or batch_read(P, g[1])
    batches[g[1]] = b
    local p, verbs = {batch = b, queue = g[2], members = {}, done = {}, others = {}}, {}
    for _, verb in ipairs(g[5]) do verbs[verb[1]] = verb end
    for i, member in ipairs(g[4]) do
      at = at + 1
      if not held[at] then
        lost[#lost + 1] = member
      elseif not seen[member] then
        seen[member] = true
        p.members[#p.members + 1] = member
        local id, verb = string.sub(member, 1, 32), verbs[i]
        if verb then p.others[#p.others + 1] = {id, unpack(verb, 2)} else p.done[#p.done + 1] = id end
      end
    end
    p.us = math.floor(g[3] * #p.members / math.max(#g[4], 1))
    local fires = b.state == 'running' and b.left <= #p.members and b.continuations or 0
    if fires > budget and budget < 500 then
      for _, member in ipairs(p.members) do again[#again + 1] = member end
    elseif #p.members > 0 then
      budget, b.left = budget - fires, b.left - #p.members
      plan[#plan + 1] = p
    end
  end
  return plan, lost, again
end
