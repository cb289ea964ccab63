-- Reads at one moment where a batch's tasks wait, in each of its queues, and how deep in line.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 batch str
-- Returns: {now_ms, paused, zombies, {queue, mode, ready, delayed, dead, next due ms, in line, tenants before,
--   batches before, tasks before, how many of the ready wait for limits, what of its tenant's rules holds it up: paused, rules or
--   empty} each; an empty list for a batch that is not known. Of the line's lengths those are -1 that are not known, or that
--   the queue's mode has no use for.
-- Includes: guard, now, batch_lists, limit_holds, line_place, tenant_held
-- Cost: O(queues × (segments + place in line)), 1,000 places or so at most
local slot = KEYS[1]
local P, batch = ARGV[1], ARGV[2]
guard(slot)
local b = redis.call('HMGET', key(P, 'b', batch), 'tenant', 'state', 'zombies')
if not b[2] or b[2] == 'open' then return {} end
local out = {string.format('%.0f', (now())), redis.call('HEXISTS', key(P, 'm'), 'paused'), tonumber(b[3] or 0)}
local by, order = {}, {}
for _, list in ipairs(batch_lists(P, {id = batch, tenant = b[1], state = b[2]})) do
  local q = list.queue
  local at = by[q] or {ready = 0, held = 0, d = 0, x = 0, due = '', segs = {}}
  if not by[q] then by[q], order[#order + 1] = at, q end
  if list.kind == 'r' then
    at.ready = at.ready + list.size - list.tombs
    if limit_holds(P, list.seg, q) then at.held = at.held + list.size - list.tombs
    elseif list.size > list.tombs then at.segs[list.seg] = true end
  else
    at[list.kind] = at[list.kind] + list.size
  end
  if list.kind == 'd' and list.size > 0 then
    local due = redis.call('ZRANGE', key(P, 'b', list.seg, 'd', q), 0, 0, 'WITHSCORES')[2]
    if at.due == '' or tonumber(due) < tonumber(at.due) then at.due = due end
  end
end
for _, q in ipairs(order) do
  local at, mode = by[q], redis.call('HGET', key(P, 'q', q), 'mode') or 'fair'
  local place = at.ready > at.held and {line_place(P, q, mode, b[1], at.segs)} or {0, -1, -1, -1}
  out[#out + 1] = {q, mode, at.ready, at.d, at.x, at.due, place[1], place[2], place[3], place[4], at.held, tenant_held(P, q, b[1])}
end
return out
