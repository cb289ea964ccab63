-- Reads which lists of waiting and dead tasks a tenant has: those of its open batch, then of a part of its batches, the oldest first.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 tenant str
--   3 queue str (empty: of all queues)
--   4 after str (a batch: those that follow it; empty at first: with the open one)
--   5 until str (µs, as the first part told it; empty at first)
-- Returns: {after ("" at the end), until, {segment, kind r, d or x, queue, how many tasks} each}
-- Includes: guard, now, batch_lists
-- Cost: O(n × lists) for 250 batches, 1,000 lists or so at most
local slot = KEYS[1]
local P, tenant, q, after, before = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
guard(slot)
local _, us = now()
before = before or us
local list, budget, out = key(P, 'tb', tenant), 1000, {'', string.format('%.0f', before)}
local function add(batch)
  local b = redis.call('HMGET', key(P, 'b', batch), 'tenant', 'state')
  if b[1] ~= tenant or b[2] == 'done' or b[2] == 'cancelled' then return end
  for _, part in ipairs(batch_lists(P, {id = batch, tenant = tenant, state = b[2]})) do
    budget = budget - 1
    if part.size > part.tombs and (q == '' or part.queue == q) then
      out[#out + 1] = {part.seg, part.kind, part.queue, part.size - part.tombs}
    end
  end
end
local home = after == '' and redis.call('HGET', key(P, 't', tenant), 'hidden')
if home then add(home) end
local rank = after ~= '' and redis.call('ZRANK', list, after) -- one that was pruned meanwhile: from the first on again
local first = rank and rank + 1 or 0
local found = redis.call('ZRANGE', list, first, first + 249, 'WITHSCORES')
for i = 1, #found, 2 do
  if tonumber(found[i + 1]) > before then
    out[1] = ''
    break
  end
  if budget <= 0 and i > 1 then break end
  add(found[i])
  budget, out[1] = budget - 1, i == #found - 1 and #found < 500 and '' or found[i]
end
return out
