-- Records the outcomes of claimed tasks whose leases are held. Begins with ZREM and HDEL, so that a
-- full Redis lets it through. Returns the members that were lost and those to send again. What a broken key stops is
-- noted in broken; it stops nothing of other batches and tenants.
local function settle(P, now_ms, us, groups, broken)
  local plan, lost, again = settle_plan(P, groups, broken)
  if #plan == 0 then return lost, again end
  local others = {}
  for _, p in ipairs(plan) do
    for _, other in ipairs(p.others) do others[#others + 1] = other[1] end
  end
  local entries, stopped = {}, {}
  if #others > 0 then
    local found = redis.call('HMGET', key(P, 'run'), unpack(others))
    local marks = redis.call('ZMSCORE', key(P, 'cx'), unpack(others))
    for i, id in ipairs(others) do entries[id], stopped[id] = found[i], marks[i] end
  end
  local ids = join_lists(plan, 'ids')
  redis.call('ZREM', key(P, 'leases'), unpack(join_lists(plan, 'members')))
  redis.call('HDEL', key(P, 'run'), unpack(ids))
  redis.call('ZREM', key(P, 'cx'), unpack(ids))
  local runs, ends = {}, {}
  for _, p in ipairs(plan) do
    local tenant = p.batch.tenant
    local ended, failed, cancelled = apart(broken, 'batch', p.batch.id, settle_batch, P, now_ms, us, p, entries, stopped)
    if tenant then
      stats_add(runs, p)
      local e, retried = ends[tenant] or {0, 0, 0, 0}, p.ended and p.ended.retried or 0
      ends[tenant] = {e[1] + (ended or 0), e[2] + (failed or 0), e[3] + (cancelled or 0), e[4] + retried}
    end
  end
  settle_counts(P, now_ms, us, runs, ends, broken)
  stats_runs(P, us, runs)
  return lost, again
end
