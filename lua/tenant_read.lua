-- Reads the totals of tenants.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 tenants bytes...  (at most 25)
-- Returns: {tenant, batches, total, remaining, failed, cancelled, us, ready, running, delayed, dead, retried} each; an empty
--   list for one that is not known; of the first ones only where they use many queues
-- Includes: guard
-- Cost: O(n × queues), 1,000 queues or so at most
local slot = KEYS[1]
local P = ARGV[1]
guard(slot)
local out, budget = {}, 1000
for i = 2, #ARGV do
  if budget <= 0 then break end
  local tenant = ARGV[i]
  local t = redis.call('HMGET', key(P, 't', tenant), 'batches', 'total', 'remaining', 'failed', 'cancelled', 'retried')
  local us, ready, running, delayed, dead = 0, 0, 0, 0, 0
  for _, q in ipairs(redis.call('SMEMBERS', key(P, 'tqs', tenant))) do
    budget = budget - 1
    local n = redis.call('HMGET', key(P, 'tq', q, tenant), 'us', 'pushed', 'claimed', 'settled', 'delayed', 'dead')
    us = us + (n[1] or 0)
    ready, running = ready + (n[2] or 0) - (n[3] or 0), running + (n[3] or 0) - (n[4] or 0)
    delayed, dead = delayed + (n[5] or 0), dead + (n[6] or 0)
  end
  out[#out + 1] = t[2] and {tenant, t[1] or '0', t[2], t[3] or '0', t[4] or '0', t[5] or '0',
    string.format('%.0f', us), ready, running, delayed, dead, t[6] or '0'} or {}
end
return out
